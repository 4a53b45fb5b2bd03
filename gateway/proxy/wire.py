"""An answer's head as the client reads it, and how its body is delimited there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from http import HTTPStatus
from typing import Final

from gateway.message import Header

_PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
# What a trailer must not say (RFC 9110 section 6.5.1): who reads it late would read the message anew.
_NO_TRAILERS: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"host", b"trailer", b"connection", b"set-cookie", b"content-encoding"}
)


class Framing(Enum):
    """How a client knows where a body ends (RFC 9112 section 6.3)."""

    BODILESS = auto()
    SIZED = auto()
    CHUNKED = auto()
    UNTIL_CLOSE = auto()


def framing_of(method: str, status: int, *, sized: bool, version: str) -> Framing:
    """The framing of an answer; `sized` when it says its length. A client of HTTP/1.0 knows no chunks."""
    if method == "HEAD" or status in (204, 304) or status < 200:
        return Framing.BODILESS
    if sized:
        return Framing.SIZED
    return Framing.CHUNKED if version == "1.1" else Framing.UNTIL_CLOSE


def head(status: int, reason: bytes | None, headers: Iterable[Header], framing: Framing, *, keep: bool) -> bytes:
    """The bytes of a head. `reason` None stands for the usual phrase; `keep` is whether the connection goes on."""
    phrase = _PHRASES.get(status, b"") if reason is None else reason
    parts = [b"%b: %b\r\n" % header for header in headers]
    parts.insert(0, b"HTTP/1.1 %d %b\r\n" % (status, phrase))
    if framing is Framing.CHUNKED:
        parts.append(b"transfer-encoding: chunked\r\n")
    parts.append(b"\r\n" if keep and framing is not Framing.UNTIL_CLOSE else b"connection: close\r\n\r\n")
    return b"".join(parts)


def chunk(data: bytes) -> bytes:
    """A chunk of a chunked body; never call it with nothing, which would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: Sequence[Header]) -> bytes:
    """The end of a chunked body."""
    if not trailers:
        return b"0\r\n\r\n"
    lines = [b"%b: %b\r\n" % header for header in trailers if header[0].lower() not in _NO_TRAILERS]
    return b"0\r\n%b\r\n" % b"".join(lines)
