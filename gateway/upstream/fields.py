"""What an app's header fields are worth: a length, nothing, or that they are none. Pure but for the clock.

An app sends the same ones again and again, so each is looked at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from time import time
from typing import Any, Final

from gateway.message import Header, Headers

NOTHING: Final = -1
BAD: Final = -2
BAD_LENGTH: Final = -3
_DATE: Final = -4
_MOST: Final = 2_000  # fields; an app invents them (dates, tags) faster than they are worth remembering
_LONGEST: Final = 1_024  # bytes of one that is remembered
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_LINE_ENDS: Final = re.compile(rb"[\r\n\0]")
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")


class _Known(dict[tuple[Any, Any], tuple[Header, int]]):
    """Fields as an app sends them: as bytes, and the length that one says, or one of the constants above."""

    def __missing__(self, sent: tuple[Any, Any]) -> tuple[Header, int]:
        header = name, value = bytes(sent[0]), bytes(sent[1])
        if _TOKEN.fullmatch(name) is None or _LINE_ENDS.search(value):
            return header, BAD
        kind, lower = NOTHING, name.lower()
        if lower == b"content-length":
            kind = int(value) if _LENGTH.fullmatch(value) else BAD_LENGTH
        elif lower == b"date":
            kind = _DATE
        if len(name) + len(value) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[header] = header, kind
        return header, kind


_KNOWN: Final = _Known()


def fields_of(sent: Iterable[tuple[Any, Any]]) -> tuple[Headers, int]:
    """An app's fields as bytes, and the length they say, or one of the constants above: BAD_LENGTH also for two.

    A Date is added where there is none (RFC 9110 section 6.6.1: whoever serves gives one).
    """
    known, headers, length, worst, dated = _KNOWN, [], NOTHING, NOTHING, False
    for name, value in sent:
        try:
            header, kind = known[name, value]
        except TypeError:  # a kind of bytes that changes
            header, kind = known[bytes(name), bytes(value)]
        headers.append(header)
        if kind == NOTHING:
            continue
        if kind >= 0:
            worst = worst if length == NOTHING else BAD_LENGTH
            length = kind
        elif kind == _DATE:
            dated = True
        elif kind < worst:
            worst = kind
    if not dated:
        headers.append(_date(int(time())))
    return tuple(headers), length if worst == NOTHING else worst


@lru_cache(maxsize=1)
def _date(second: int) -> Header:
    return b"date", formatdate(second, usegmt=True).encode("ascii")
