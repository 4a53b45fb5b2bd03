"""The heads that most requests have: one plain line, and fields as plain. Pure.

What is not plain in any way is the parser's: nothing is judged here. What is plain, the parser reads in the same way.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.proxy.arrival import KINDS, Field

LEARNED: Final = 8 * 1024  # bytes of a head that a connection remembers
_MOST: Final = 2_000  # field lines, of all clients; browsers invent them (traces, times) faster than they are worth
_LONGEST: Final = 512  # bytes of a field line that is remembered
# The lines that most requests begin with. CONNECT, and whatever a body may come with, is left to the parser.
_LINE: Final = re.compile(rb"(GET|HEAD|OPTIONS|DELETE) ((/[!$-;=@-Z_a-z~]*+)(?:\?[!$-;=?-Z_a-z~]*+)?) HTTP/1\.1")
_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):[ \t]*+([\t -~]*+)")
# These frame a message, or tell the parser what follows it.
_THE_PARSERS: Final = frozenset(
    {b"transfer-encoding", b"content-length", b"upgrade", b"expect", b"proxy-connection", b"connection"}
)
_SECRET: Final = frozenset({b"authorization", b"cookie", b"proxy-authorization"})  # never kept longer than a connection


class _Methods(dict[bytes, str]):
    """The methods that the parser knows, as text; there are a few dozen."""

    def __missing__(self, method: bytes) -> str:
        self[method] = text = method.decode("ascii")
        return text


class _Fields(dict[bytes, Field | None]):
    """Fields by their lines; None for a line that is the parser's."""

    def __missing__(self, line: bytes) -> Field | None:
        found = _FIELD.fullmatch(line)
        if found is None or line[-1:] in b" \t":
            return None
        name, value = found[1].lower(), found[2]
        if name in _THE_PARSERS and (name, value.lower()) != (b"connection", b"keep-alive"):
            return None
        field = (name, value), KINDS[name]
        if len(line) <= _LONGEST and name not in _SECRET:
            if len(self) >= _MOST:
                self.clear()
            self[line] = field
        return field


METHODS: Final = _Methods()
_FIELDS: Final = _Fields()


def plain_line(data: bytes, block: bytes) -> re.Match[bytes] | None:
    """The request line of a request that ends with `block`: method, target and path are its groups."""
    return _LINE.fullmatch(data, 0, len(data) - len(block))


def plain_head(data: bytes) -> tuple[re.Match[bytes], list[Field]] | None:
    """The request line and the fields of bytes that are one whole head without a body, and nothing else."""
    if data[-4:] != b"\r\n\r\n":
        return None
    first, *lines = data[:-4].split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        return None
    known = _FIELDS
    fields = [known[one] for one in lines]
    return None if None in fields else (line, fields)  # type: ignore[return-value]  # there is no None in it
