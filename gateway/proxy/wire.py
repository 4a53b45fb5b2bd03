"""An answer's head as the client reads it, and how its body is delimited there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum, auto
from http import HTTPStatus
from typing import Final

from gateway.message import Header

_PHRASES: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
# What a trailer must not say (RFC 9110 section 6.5.1): who reads it late would read the message anew.
_NO_TRAILERS: Final = frozenset(
    {b"content-length", b"transfer-encoding", b"host", b"trailer", b"connection", b"set-cookie", b"content-encoding"}
)


_BODILESS: Final = frozenset({204, 304})


class Framing(IntEnum):
    """How a client knows where a body ends (RFC 9112 section 6.3)."""

    BODILESS = auto()
    SIZED = auto()
    CHUNKED = auto()
    UNTIL_CLOSE = auto()


def framing_of(method: str, status: int, *, sized: bool, version: str) -> Framing:
    """The framing of an answer; `sized` when it says its length. A client of HTTP/1.0 knows no chunks."""
    if method == "HEAD" or status in _BODILESS or status < 200:
        return Framing.BODILESS
    if sized:
        return Framing.SIZED
    return Framing.CHUNKED if version == "1.1" else Framing.UNTIL_CLOSE


class _Starts(dict[tuple[int, bytes | None], bytes]):
    """Status lines by status and phrase; None stands for the usual phrase."""

    def __missing__(self, wanted: tuple[int, bytes | None]) -> bytes:
        status, reason = wanted
        line = b"HTTP/1.1 %d %b\r\n" % (status, _PHRASES.get(status, b"") if reason is None else reason)
        if len(self) < _MOST_STARTS and len(line) < _LONGEST_START:
            self[wanted] = line
        return line


_MOST_STARTS: Final = 1_000
_LONGEST_START: Final = 200
STARTS: Final = _Starts()


def _ending(framing: Framing, *, keep: bool) -> bytes:
    last = b"\r\n" if keep and framing is not Framing.UNTIL_CLOSE else b"connection: close\r\n\r\n"
    return b"transfer-encoding: chunked\r\n" + last if framing is Framing.CHUNKED else last


# The last lines of a head, by framing and by whether the connection goes on after it.
ENDINGS: Final = {(framing, keep): _ending(framing, keep=keep) for framing in Framing for keep in (True, False)}


def head(status: int, reason: bytes | None, headers: Iterable[Header], framing: Framing, *, keep: bool) -> bytes:
    """The bytes of a head. `reason` None stands for the usual phrase; `keep` is whether the connection goes on."""
    lines = [b"%b: %b\r\n" % header for header in headers]
    return STARTS[status, reason] + b"".join(lines) + ENDINGS[framing, keep]


def chunk(data: bytes) -> bytes:
    """A chunk of a chunked body; never call it with nothing, which would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: Sequence[Header]) -> bytes:
    """The end of a chunked body."""
    if not trailers:
        return b"0\r\n\r\n"
    lines = [b"%b: %b\r\n" % header for header in trailers if header[0].lower() not in _NO_TRAILERS]
    return b"0\r\n%b\r\n" % b"".join(lines)
