"""What the parser reads without complaint and a strict server refuses, and what it does not read at all. Pure.

httptools takes chunk sizes of any number of digits, chunk extensions of any length and a tab before `chunked`. It
does not tell where in the bytes it is, so the lines of a chunked body are found again here. Nothing else is looked
at: whatever goes on is written anew, so this is strictness and never what keeps two requests apart.

And it stops at every head that offers an upgrade, also where a body follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

import httptools

from gateway.message import Header

EXTENSION_BYTES: Final = 4096
REST_BYTES: Final = 64 * 1024  # in a row within a body that are none of it: trailers, which the parser gathers
_LARGEST: Final = 2**63 - 1  # a size above it is negative to somebody
_LINE_BYTES: Final = 16 + EXTENSION_BYTES + 1  # digits, extension, CR
_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[^\n]*)?\r")
_LENGTH: Final = re.compile(rb"\ncontent-length:[ \t]*([0-9]+)", re.IGNORECASE)
_CODING: Final = re.compile(rb"\ntransfer-encoding:", re.IGNORECASE)
_PLAIN_CODING: Final = re.compile(rb"\ntransfer-encoding: ?chunked\r\n", re.IGNORECASE)
_UNKNOWN: Final = -1
_LOST: Final = -(2**62)  # a count of heads that no number of further ones makes positive


class ChunkLines:
    """The lines between the chunks of one body; give it every byte from the body's first on."""

    __slots__ = ("_line", "_skip", "over")

    def __init__(self) -> None:
        self._line = b""  # of a line that is not whole yet
        self._skip = 0  # bytes of a chunk's data, and of its CRLF, that are still to come
        self.over = _UNKNOWN  # where in the last bytes the trailers begin, once they do

    def are_plain(self, data: bytes, at: int = 0) -> bool:
        """Whether the lines in these bytes may pass; what follows the last chunk is the parser's to judge."""
        while at < len(data) and self.over == _UNKNOWN:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            end = data.find(b"\n", at, at + _LINE_BYTES + 1)
            if end < 0:
                self._line += data[at : at + _LINE_BYTES + 1]
                return len(self._line) <= _LINE_BYTES
            at, line, self._line = end + 1, self._line + data[at:end], b""
            found = _SIZE_LINE.fullmatch(line)
            if found is None or len(line) - found.end(1) - 1 > EXTENSION_BYTES:
                return False
            size = int(found.group(1), 16)
            if size > _LARGEST:
                return False
            if size:
                self._skip = size + 2
            else:
                self.over = at
        return True


class ChunkGuard:
    """One client connection's chunked bodies. The door tells it of bytes before the parser has them.

    `heads` are those the parser has begun in the bytes that are kept; the door counts them. `lines` are those of the
    body under way; the door forgets them at its end. `rest` are bytes since the last one of a body, as the door says.
    """

    __slots__ = ("_at", "_number", "_raw", "heads", "lines", "rest")

    def __init__(self) -> None:
        self._raw = b""  # from the beginning of the head that is under way, or of the newest bytes
        self._at, self._number = 0, 1  # where in them a head begins that has been found, and which it is
        self.heads = 0
        self.lines: ChunkLines | None = None
        self.rest = 0

    def lets_in(self, data: bytes, *, in_head: bool, in_body: bool) -> bool:
        """New bytes: whether they may go to the parser, which was within a head or a body, or between requests."""
        if in_head:
            self._raw += data
        else:
            self._raw = data
            self._at, self._number = 0, 1
            self.heads = _LOST if in_body else 0  # where a head would begin behind a body is not known
        if not in_body:
            self.rest = 0
            return True
        too_long = self.rest > REST_BYTES
        self.rest += len(data)
        return not too_long and (self.lines is None or self.lines.are_plain(data))

    def has_read(self, *, in_head: bool) -> None:
        """The parser has read them: what is no part of an unfinished head is not held."""
        if not in_head:
            self._raw = b""

    def begin_body(self) -> bool:
        """The parser has read the head of a request with a chunked body: whether its lines may pass so far."""
        if self.heads < self._number:
            return True
        body = self._find_head()
        self.lines = ChunkLines()
        return _PLAIN_CODING.search(self._raw, self._at, body) is not None and self.lines.are_plain(self._raw, body)

    def _find_head(self) -> int:
        """Go on to the newest head; where its body begins. The parser has read all before, so it found the same."""
        raw = self._raw
        while True:
            while raw[self._at : self._at + 1] in (b"\r", b"\n"):  # empty lines before a request
                self._at += 1
            body = raw.find(b"\r\n\r\n", self._at) + 4
            if self._number == self.heads:
                return body
            self._at, self._number = _end_of_body(raw, self._at, body), self._number + 1


class BodyListener(Protocol):
    """Who is told of a body."""

    def on_body(self, body: bytes) -> None: ...
    def on_message_complete(self) -> None: ...


class BodyAlone:
    """A parser for the body behind a head that has been read: what follows the body is nobody's."""

    __slots__ = ("_head", "_listener", "_method", "_parser", "over")

    def __init__(self, method: bytes, headers: Iterable[Header], listener: BodyListener) -> None:
        self._method, self._listener = method, listener
        self._parser = httptools.HttpRequestParser(self)
        self.over = False
        framing = [header for header in headers if header[0] in (b"content-length", b"transfer-encoding")]
        lines = [b"%b: %b\r\n" % header for header in framing]
        self._head = b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(lines)

    def feed_data(self, data: bytes) -> None:
        """Read on, also when nothing has come yet; httptools.HttpParserError when it is no body."""
        if not self.over:
            data, self._head = self._head + data, b""
            self._parser.feed_data(data)

    def get_method(self) -> bytes:
        """What the head said."""
        return self._method

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self.over:
            self._listener.on_body(body)

    def on_message_complete(self) -> None:
        """Its end."""
        if not self.over:
            self.over = True
            self._listener.on_message_complete()


def is_handshake(method: bytes, headers: Sequence[Header], authority: bytes | None) -> bool:
    """Whether it is what RFC 6455 section 4.1 calls one: a GET without a body; and to one host."""
    hosts = [value.lower() for name, value in headers if name == b"host"]
    return (
        method == b"GET"
        and [value for name, value in headers if name == b"content-length"] in ([], [b"0"])  # some devices send it
        and all(name != b"transfer-encoding" for name, _ in headers)
        and (authority is None or [authority.lower()] == hosts)
    )


def _end_of_body(raw: bytes, head: int, body: int) -> int:
    if _CODING.search(raw, head, body) is None:
        length = _LENGTH.search(raw, head, body)
        return body if length is None else body + int(length.group(1))
    lines = ChunkLines()
    lines.are_plain(raw, body)
    trailers = lines.over
    return trailers + 2 if raw.startswith(b"\r\n", trailers) else raw.find(b"\r\n\r\n", trailers) + 4
