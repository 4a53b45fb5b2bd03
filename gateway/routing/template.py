"""Path templates such as `/api/runs/{id}`: parsing, overlap, and filling them with a request's own bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LITERAL = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%-]*")


@dataclass(frozen=True, slots=True)
class Segment:
    """One part between slashes: a literal, or a parameter that takes any one non-empty segment."""

    text: str
    is_parameter: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed path template. The root path is one empty literal segment."""

    text: str
    segments: tuple[Segment, ...]
    _exactly: re.Pattern[bytes] = field(compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> Template:
        """Read a template; ValueError says what is wrong with it."""
        if not text.startswith("/"):
            raise ValueError(f"path {text!r} does not start with /")
        if "?" in text or "#" in text:
            raise ValueError(f"path {text!r} has a query or a fragment; a route is a path only")
        if len(text) > 1 and text.endswith("/"):
            raise ValueError(f"path {text!r} ends with /; leave it out, both forms match")
        segments = tuple(_segment(part, text) for part in text[1:].split("/"))
        names = [segment.text for segment in segments if segment.is_parameter]
        if len(names) != len(set(names)):
            raise ValueError(f"path {text!r} uses a parameter name twice")
        return cls(text, segments, _in_their_own_case(segments))

    @property
    def parameters(self) -> frozenset[str]:
        """The names between braces."""
        return frozenset(segment.text for segment in self.segments if segment.is_parameter)

    def values(self, path: bytes) -> dict[str, bytes]:
        """The bytes that the parameters stand for in a path that this template fits."""
        parts = path[1:].split(b"/")  # one more than there are segments when the path ends with a slash
        return {segment.text: part for segment, part in zip(self.segments, parts, strict=False) if segment.is_parameter}

    def fits_as_it_is(self, path: bytes) -> bool:
        """Whether filling this template with the values of a path that it fits gives that path again."""
        return self._exactly.fullmatch(path) is not None

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """The path with each parameter replaced by its bytes, which are taken as they are."""
        return b"/" + b"/".join(
            values[segment.text] if segment.is_parameter else segment.text.encode() for segment in self.segments
        )

    def ambiguous_with(self, other: Template) -> bool:
        """Whether some path fits both and neither template is the more specific one.

        `/runs/latest` beside `/runs/{id}` is fine: the literal wins. `/a/{x}/c` beside `/a/b/{y}` is not.
        """
        if len(self.segments) != len(other.segments):
            return False
        mine_wins = theirs_wins = False
        for mine, theirs in zip(self.segments, other.segments, strict=True):
            if mine.is_parameter and theirs.is_parameter:
                continue
            if mine.is_parameter:
                theirs_wins = True
            elif theirs.is_parameter:
                mine_wins = True
            elif mine.text.lower() != theirs.text.lower():
                return False
        return mine_wins == theirs_wins


def _in_their_own_case(segments: tuple[Segment, ...]) -> re.Pattern[bytes]:
    """What the segments fit without another case, or a slash at the end."""
    parts = [rb"[^/]+" if segment.is_parameter else re.escape(segment.text.encode()) for segment in segments]
    return re.compile(rb"/" + rb"/".join(parts), re.DOTALL)


def _segment(part: str, whole: str) -> Segment:
    if part == "" and whole != "/":
        raise ValueError(f"path {whole!r} has an empty segment")
    if part.startswith("{"):
        found = _PARAMETER.fullmatch(part)
        if found is None:
            raise ValueError(f"path {whole!r}: {part!r} is not a parameter like {{name}}")
        return Segment(found.group(1), is_parameter=True)
    if not _LITERAL.fullmatch(part):
        raise ValueError(f"path {whole!r}: {part!r} has characters that no request path can carry")
    return Segment(part, is_parameter=False)
