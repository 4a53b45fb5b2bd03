"""How a text is built around what is made anew for each answer: ids, digests, moments, numbers. Pure.

Only what has a form of its own counts: a token of letters and digits mixed could be anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from typing import Final

_NUMBER: Final = r"-?(?:[0-9]{1,3}(?:,[0-9]{3})+|%s)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_FORMS: Final = {
    "uuid": r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "moment": r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?",
    "digest": r"[0-9a-f]{16,}+",
    "lasting": r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\s?(?:ns|us|\u00b5s|\u03bcs|ms|s)",
    # a short one may be a part of a name, such as eu-west-1
    "number": _NUMBER % r"[0-9]{4,}+|[0-9]+(?=\.[0-9])",
}
_MADE: Final = re.compile(
    rf"(?<![0-9A-Za-z])(?:{'|'.join(f'(?P<{name}>{form})' for name, form in _FORMS.items())})(?![0-9A-Za-z])"
)
_EACH: Final = {
    name: re.compile(rf"(?:{form})(?![0-9A-Za-z])")
    # new may have counted less far; and what has digits only may be hexadecimal, by chance twice without a letter
    for name, form in {**_FORMS, "number": rf"{_NUMBER % '[0-9]+'}|[0-9a-f]+|[0-9A-F]+"}.items()
}
_ZONE: Final = re.compile(r"Z|[+-](?=[0-9:]*\Z)")
# what a kind of ids begins with, such as cus_, and what names of files and hosts end with; ab: may be a random byte
_BEFORE: Final = re.compile(r"[A-Za-z]{2}[A-Za-z_:@]*(?:[_@]|(?<=[A-Za-z]{3}):)")
_BEHIND: Final = re.compile(r"(?:[.@][A-Za-z]|:[A-Za-z]{3})[A-Za-z.:@]*\Z")

_Made = tuple[str, str]  # what it is, and how it is spelled


def is_built_otherwise(candidate: str, control: str, again: str) -> bool:
    """Whether two texts differ in nothing but such things, and a third one in something else."""
    built = list(_built(control))
    return built == list(_built(again)) and not _is_built_so(candidate, built)


def _built(text: str) -> Iterator[str | _Made]:
    """What stands still, and the kinds of things between."""
    at = 0
    for found in _MADE.finditer(text):
        yield text[at : found.start()]
        kind = found.lastgroup or ""
        yield kind, _spelling(kind, found[0])
        at = found.end()
    yield text[at:]


def _is_built_so(text: str, built: list[str | _Made]) -> bool:
    at = 0
    for part in built:
        if isinstance(part, str):
            if not text.startswith(part, at):
                return False
            at += len(part)
            continue
        kind, spelling = part
        found = _EACH[kind].match(text, at)
        if found is None or _spelling(kind, found[0]) != spelling:
            return False
        at = found.end()
    return at == len(text)


def _spelling(kind: str, made: str) -> str:
    """What two of a kind have in common: a digest's length, how a moment parts day from time and names its zone."""
    if kind == "digest":
        return str(len(made))
    if kind != "moment":
        return ""
    zone = _ZONE.search(made, 16)
    return made[10] + ("" if zone is None else zone[0])


def affixes(one: str, other: str) -> tuple[str, str]:
    """What two tokens begin and end with for a reason; empty texts where it may be chance."""
    before, behind = _BEFORE.match(_shared(one, other)), _BEHIND.search(_shared(one[::-1], other[::-1])[::-1])
    return "" if before is None else before[0], "" if behind is None else behind[0]


def _shared(one: str, other: str) -> str:
    """What both begin with."""
    pairs = zip(one, other, strict=False)
    return "".join(mine for mine, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
