"""The heads that most answers have: whole, of lines that came before, with a length and no other framing. Pure.

A backend sends the same lines again and again, so a line is looked at once and then known. What is unusual in any way
is left to the parser: nothing is judged here, and what a known line means is what the parser makes of it.
"""

from __future__ import annotations

import re
from typing import Final

Header = tuple[bytes, bytes]
Field = tuple[Header, int]  # a header, and what follows from it: a length, NOTHING, or UNUSUAL
Start = tuple[int, bytes]  # status and reason phrase

NOTHING: Final = -1
UNUSUAL: Final = -2
_MOST: Final = 2_000  # lines; an origin invents them (dates, tags) faster than they are worth remembering
_LONGEST: Final = 1_024  # bytes of a line that is remembered
_LONGEST_LENGTH: Final = 18  # digits; one more, and some reader's integer is full
_START: Final = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) ([\t -~\x80-\xff]*)")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):[ \t]*+([\t -~\x80-\xff]*+)")
_UNUSUAL: Final = frozenset({b"transfer-encoding", b"connection", b"proxy-connection", b"upgrade", b"trailer"})
_STRANGE: Final[Field] = ((b"", b""), UNUSUAL)


class _Starts(dict[bytes, Start | None]):
    """Status lines; None for one that the parser is to read."""

    def __missing__(self, line: bytes) -> Start | None:
        found = _START.fullmatch(line)
        start = None if found is None else (int(found.group(1)), found.group(2))
        if len(self) < _MOST and len(line) <= _LONGEST:
            self[line] = start
        return start


class _Fields(dict[bytes, Field]):
    """Header lines."""

    def __missing__(self, line: bytes) -> Field:
        field = _read(line)
        if len(line) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[line] = field
        return field


def _read(line: bytes) -> Field:
    found = _FIELD.fullmatch(line)
    if found is None or line[-1:] in b" \t":
        return _STRANGE
    name, value = header = (found[1], found[2])
    lower = name.lower()
    if lower == b"content-length":
        return header, int(value) if value.isdigit() and len(value) <= _LONGEST_LENGTH else UNUSUAL
    keeps = lower == b"connection" and value.lower() == b"keep-alive"
    return header, UNUSUAL if lower in _UNUSUAL and not keeps else NOTHING


STARTS: Final = _Starts()
FIELDS: Final = _Fields()


def read_head(data: bytes, limit: int) -> tuple[Start, list[Header], int, int] | None:
    """Status and phrase, headers, length (-1 without one), where the body begins; None when it is the parser's."""
    end = data.find(b"\r\n\r\n", 0, limit)
    if end < 0:
        return None
    lines = data[:end].split(b"\r\n")
    start = STARTS[lines[0]]
    if start is None:
        return None
    del lines[0]
    length, headers = NOTHING, []
    for header, meaning in [FIELDS[line] for line in lines]:
        headers.append(header)
        if meaning != NOTHING:
            if meaning == UNUSUAL or length != NOTHING:
                return None
            length = meaning
    return start, headers, length, end + 4
