"""Where a difference is, and the patterns that name such places.

They are `status`, `header/NAME`, `body/PATH`, and for writes that are rehearsed `rows/TABLE/COLUMN`.

In a pattern `*` stands for one level and `**` for any number of levels, none included. As in a JSON
pointer (RFC 6901), `~1` is a slash inside a key and `~0` a tilde.
"""

from __future__ import annotations

from dataclasses import dataclass

Place = tuple[str, ...]  # ("status",), ("header", "vary"), ("body", "lots", "0", "weight_kg")

MAX_SEGMENTS = 64


def show(place: Place) -> str:
    """The place as people and rules write it."""
    return "/".join(segment.replace("~", "~0").replace("/", "~1") for segment in place)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed pattern; `text` is what its author wrote."""

    text: str
    segments: Place

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern; ValueError says what is wrong with it."""
        segments = tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/"))
        first, rest = segments[0], segments[1:]
        if len(segments) > MAX_SEGMENTS:
            raise ValueError(f"a place has at most {MAX_SEGMENTS} levels")
        if first not in ("status", "header", "body", "rows") or (first == "status" and rest):
            raise ValueError(f"{text!r} is none of status, header/NAME, body/PATH, rows/TABLE/COLUMN")
        if "" in rest:
            raise ValueError(f"{text!r} has an empty level")
        if first == "header" and (len(rest) != 1 or "*" in rest[0]):
            raise ValueError(f"{text!r} must name one header, like header/vary")
        if first == "header":
            segments = (first, rest[0].lower())
        if first == "rows" and not 1 <= len(rest) <= 2:
            raise ValueError(f"{text!r} must name a table or one of its columns, like rows/lots/updated_at")
        if first == "body" and rest and all(segment in ("*", "**") for segment in rest):
            raise ValueError(f"{text!r} is broader than one subtree; name at least one key")
        return cls(text, segments)

    def matches(self, place: Place) -> bool:
        """Whether a place is one this pattern stands for; the cost is at most the product of both lengths."""
        if self.segments[-1] not in ("*", "**", place[-1]) or self.segments[0] != place[0]:
            return False  # what most rules are about is elsewhere
        at = behind = 0
        star: int | None = None  # where the last ** stood, and how much of the place it has eaten
        while at < len(place):
            wanted = self.segments[behind] if behind < len(self.segments) else None
            if wanted == "**":
                star, eaten, behind = behind, at, behind + 1
            elif wanted is not None and wanted in ("*", place[at]):
                at, behind = at + 1, behind + 1
            elif star is not None:
                eaten += 1
                at, behind = eaten, star + 1
            else:
                return False
        return all(segment == "**" for segment in self.segments[behind:])
