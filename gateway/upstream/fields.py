"""What an app's header fields are worth: a length, nothing, or that they are none. Pure.

An app sends the same ones again and again, so each is looked at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from gateway.message import Header, Headers

NOTHING: Final = -1
BAD: Final = -2
BAD_LENGTH: Final = -3
_MOST: Final = 2_000  # fields; an app invents them (dates, tags) faster than they are worth remembering
_LONGEST: Final = 1_024  # bytes of one that is remembered
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_LINE_ENDS: Final = re.compile(rb"[\r\n\0]")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")


class _Kinds(dict[Header, int]):
    """Fields, and the length that one of them says, or one of the constants above."""

    def __missing__(self, header: Header) -> int:
        name, value = header
        if _TOKEN.fullmatch(name) is None or _LINE_ENDS.search(value):
            return BAD
        kind = NOTHING
        if name.lower() == b"content-length":
            kind = int(value) if _LENGTH.fullmatch(value) else BAD_LENGTH
        if len(name) + len(value) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[header] = kind
        return kind


_KINDS: Final = _Kinds()


def fields_of(sent: Iterable[tuple[Any, Any]]) -> tuple[Headers, int]:
    """An app's fields as bytes, and the length they say, or one of the constants above: BAD_LENGTH also for two."""
    kinds, headers, length, worst = _KINDS, [], NOTHING, NOTHING
    for name, value in sent:
        header = bytes(name), bytes(value)
        headers.append(header)
        kind = kinds[header]
        if kind >= 0:
            worst = worst if length == NOTHING else BAD_LENGTH
            length = kind
        elif kind < worst:
            worst = kind
    return tuple(headers), length if worst == NOTHING else worst
