"""A request as the bytes that an HTTP/1.1 origin reads. Pure; the target goes out byte for byte."""

from __future__ import annotations

import re
from typing import Final

from gateway.message import Header, OutboundRequest
from gateway.relay.exchange import Outgoing

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 section 9.2.1


_HOST: Final = 1
_LENGTH: Final = 2
_ASKS_FIRST: Final = 4
_UNFIT: Final = 8  # it would end its line early: nobody may write a second request with the first
_MOST: Final = 2_000  # headers; clients invent them faster than they are worth remembering
_LONGEST: Final = 1_024  # bytes of a line that is remembered
_EARLY_ENDS: Final = re.compile(rb"[\r\n\0]")
_UNFIT_TARGET: Final = re.compile(rb"[\r\n\0 ]")


class _Lines(dict[Header, tuple[bytes, int]]):
    """Headers as lines, and what hangs on them; learned one by one, because most come again and again."""

    def __missing__(self, header: Header) -> tuple[bytes, int]:
        name, value = header
        meaning = {b"host": _HOST, b"content-length": _LENGTH}.get(name, 0)
        if name == b"expect" and value.lower() == b"100-continue":
            meaning = _ASKS_FIRST
        if _EARLY_ENDS.search(name) or _EARLY_ENDS.search(value):
            meaning = _UNFIT
        line = b"%b: %b\r\n" % header, meaning
        if len(line[0]) <= _LONGEST and name != b"x-request-id":
            if len(self) >= _MOST:
                self.clear()
            self[header] = line
        return line


_LINES: Final = _Lines()


def outgoing(request: OutboundRequest, netloc: bytes) -> Outgoing | None:
    """The request with a Host and its body's framing added where it has none.

    None when a part of it would end its line early: nobody may write a second request with the first.
    """
    method, target, headers, body = request.method, request.target, request.headers, request.body
    meant, parts = 0, [method.encode(), b" ", target, b" HTTP/1.1\r\n"]
    if request.lines and body is None and not _UNFIT_TARGET.search(target):
        parts += (request.lines, headers[-1][1], b"\r\n\r\n")
        return Outgoing(b"".join(parts), None, False, method == "HEAD", method in SAFE_METHODS)
    known = _LINES
    for header in headers:
        line, meaning = known[header]
        parts.append(line)
        meant |= meaning
    if meant & _UNFIT or _UNFIT_TARGET.search(target):
        return None
    if not meant & _HOST:  # an HTTP/1.0 client need not send one
        parts.insert(4, b"host: %b\r\n" % netloc)
    chunked = False
    if body is not None and not meant & _LENGTH:
        chunked = not isinstance(body, bytes)
        parts.append(
            b"content-length: %d\r\n" % len(body) if isinstance(body, bytes) else b"transfer-encoding: chunked\r\n"
        )
    parts.append(b"\r\n")
    repeatable = body is None and method in SAFE_METHODS
    return Outgoing(b"".join(parts), body, chunked, method == "HEAD", repeatable, meant & _ASKS_FIRST != 0)
