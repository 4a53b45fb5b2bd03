"""What stands still in a text that changes from one answer to the next, and whether a third text keeps it. Pure.

Legacy's own two texts tell: the words they share, and between these the gaps in which they differ. A link with a
signature, a page with a token, a line with a moment: what stands around these is no noise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gateway.diff.sequence import Aligner
from gateway.diff.skeleton import affixes, is_built_otherwise
from gateway.diff.value import Value

# the end of what is written in base 64 parts nothing
_WORD: Final = re.compile(r"[^\s<>,;\"'=&?/|(){}\[\]#]+(?:={1,2}(?=[\s<>,;\"'&)]|\Z))?|\s+|.", re.DOTALL)
_PARTS: Final = frozenset('<>,;&?\n"')  # what parts a text into fields
_NONE: Final = ("", "")
MAX_LENGTH: Final = 1_000_000  # characters of all texts of one comparison that are taken apart

_Gap = tuple[str, str]  # what legacy's first text has there, and its second


class Standing:
    """Looks at the texts of one comparison; past its budget nothing more is told of them."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = MAX_LENGTH

    def keeps(self, candidate: str, control: str, again: str) -> bool:
        """Whether a text has all that stands still between legacy's two; True where too little does to tell."""
        self._left -= len(candidate) + len(control) + len(again)
        if self._left < 0:
            return True
        if is_built_otherwise(candidate, control, again):
            return False
        mine, theirs = _WORD.findall(control), _WORD.findall(again)
        if len(mine) == len(theirs) == 1:
            return _is_framed(candidate, (control, again))
        if sorted(mine) == sorted(theirs):  # a list within a text, whose order legacy does not keep
            return sorted(_WORD.findall(candidate)) == sorted(mine)
        gaps, texts = _apart(mine, theirs)
        still = sum(map(_is_word, _WORD.findall(" ".join(texts))))
        if 2 * still < max(sum(map(_is_word, mine)), sum(map(_is_word, theirs))):
            return True  # two sentences may share a word by chance
        return _fits(candidate, gaps, texts)


def _is_word(text: str) -> bool:
    return text[:1].isalnum()


def _apart(mine: Sequence[str], theirs: Sequence[str]) -> tuple[list[_Gap], list[str]]:
    """The gaps, and the texts that both share, each of which stands behind the gap of its number."""
    gaps, texts = list[_Gap](), list[str]()
    i = j = from_i = from_j = 0
    pairs = Aligner().align(list[Value](mine), list[Value](theirs), unordered=False).pairs
    for at, behind in (*pairs, (len(mine), len(theirs))):
        still = (at or 0) - i if at is not None else (behind or 0) - j
        shared = mine[i : i + still]
        # what parts words may stand within a random one, too
        if any(map(_is_word, shared)) or i == 0 or at == len(mine):
            gaps.append(("".join(mine[from_i:i]), "".join(theirs[from_j:j])))
            texts.append("".join(shared))
            from_i, from_j = i + still, j + still
        i, j = i + still + (at is not None), j + still + (behind is not None)
    gaps.append(("".join(mine[from_i:]), "".join(theirs[from_j:])))
    return gaps, texts


def _fits(candidate: str, gaps: Sequence[_Gap], texts: Sequence[str]) -> bool:
    """Whether the candidate has each text in its place, and between them only what could be legacy's."""
    at = 0
    for number, (gap, text) in enumerate(zip(gaps, texts, strict=False), 1):
        is_end = number == len(texts) and gaps[-1] == _NONE and candidate.endswith(text)
        found = len(candidate) - len(text) if is_end else candidate.find(text, at)
        if found < at or not _could_be(candidate[at:found], gap):
            return False
        at = found + len(text)
    return _could_be(candidate[at:], gaps[-1])


def _could_be(text: str, gap: _Gap) -> bool:
    """Whether a text parts into no other fields than legacy's in the same gap, and is as empty as those may be."""
    if not text:
        return not all(gap)
    if gap == _NONE or not set(text) & _PARTS <= {*gap[0], *gap[1]}:
        return False
    return _is_framed(text, gap) and all(
        not text[end].isspace() or any(one[end:][:1].isspace() for one in gap) for end in (0, -1)
    )


def _is_framed(text: str, gap: _Gap) -> bool:
    """Whether it begins and ends as both of legacy's do for a reason."""
    before, behind = affixes(*gap)
    return text.startswith(before) and text.endswith(behind)
