"""Reads one answer after the other out of an origin's bytes. Pure: no socket, no clock, no waiting.

The rules it keeps (RFC 9112):
- An answer without framing ends where the connection ends (`eof`); one with framing that ends early is cut.
- 100 says that the origin wants the body; other 1xx answers are kept for the client (101 was never asked for).
- Bytes after the end, a second answer, two framings, a transfer coding other than chunked: the connection
  is not to be used again, and what is not yet answered becomes a bad answer.
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

import httptools

from gateway.relay.plain import Header as Header
from gateway.relay.plain import read_head
from gateway.relay.trouble import Trouble

Interim = tuple[int, bytes, list[Header]]  # status, reason phrase, headers of a 1xx answer

HEAD_LIMIT: Final = 128 * 1024  # bytes of an answer's head, all 1xx included; httptools itself has no limit
REST_LIMIT: Final = 128 * 1024  # bytes in a row that are no body: chunk extensions, trailers; the parser buffers them
RAW_FROM: Final = 128 * 1024  # a sized body above this passes the parser by, chunk by chunk, without a copy

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class AnswerReader:
    """Feed it until `complete` or `trouble`; take body from `chunks` as it comes; `begin` before the next answer.

    `status` is 0 until the final answer's head is whole; `trailers` are whole when the answer is. `keep` is true
    when the connection may be used again as far as the answer is concerned. `head_only`: the answer has no body
    whatever it says (HEAD).
    """

    __slots__ = (
        "_framed", "_head_bytes", "_head_only", "_length", "_parsed", "_parser", "_raw_left", "_rest_bytes", "chunks",
        "complete", "continued", "headers", "held", "interim", "keep", "reason", "status", "trailers", "trouble",
    )  # fmt: skip

    def __init__(self, *, head_only: bool = False) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._parsed = False  # whether the parser has had to do with the answer
        self._begin(head_only)

    def begin(self, *, head_only: bool) -> None:
        """Forget the last answer; a connection that is to be kept has left the parser between two messages."""
        if self._parsed and (self._head_only or self._length > RAW_FROM or not self.keep):
            self._parser = httptools.HttpResponseParser(self)  # it thinks that a body is still to come
        self._begin(head_only)

    def _begin(self, head_only: bool) -> None:
        self._head_only = head_only
        self._head_bytes = self._raw_left = self._rest_bytes = 0
        self._length = -1
        self._framed = self._parsed = False
        self.status = 0
        self.reason = b""
        self.headers: list[Header] = []
        self.trailers: list[Header] = []
        self.interim: list[Interim] = []
        self.chunks: deque[bytes] = deque()
        self.held = 0  # bytes in `chunks`
        self.complete = self.keep = False
        self.continued = False  # the origin wants the request's body (100 Continue)
        self.trouble: Trouble | None = None

    @property
    def untouched(self) -> bool:
        """Whether nothing of an answer has come."""
        return self._head_bytes == 0

    @property
    def length(self) -> int:
        """The Content-Length of the answer, -1 without one."""
        return self._length

    def take(self) -> deque[bytes]:
        """The body that has come since the last call."""
        chunks, self.chunks, self.held = self.chunks, deque(), 0
        return chunks

    def body(self) -> bytes:
        """The same in one piece."""
        chunks = self.chunks
        if len(chunks) == 1:
            self.held = 0
            return chunks.pop()
        return b"".join(self.take())

    def feed(self, data: bytes) -> None:
        """Read bytes in the order they came."""
        if self.complete or self.trouble is not None:
            self.keep = False
        elif self._raw_left:
            self._take_raw(data)
        elif self._head_bytes or not self._take_plain(data):
            self._parse(data)

    def eof(self) -> None:
        """The origin sends no more."""
        self.keep = False
        if self.complete:
            return
        if self.status and not self._framed:
            self.complete = True
        elif self.trouble is None:
            self.trouble = Trouble.RESET

    def _take_plain(self, data: bytes) -> bool:
        """Read the beginning of an answer without the parser; False, and nothing is read, when it is needed."""
        found = read_head(data, HEAD_LIMIT)
        if found is None:
            return False
        (status, reason), headers, length, body_at = found
        rest = len(data) - body_at
        empty = status in (204, 304)
        bodiless = empty or self._head_only
        if rest > (0 if bodiless else length) or (length < 0 and not empty):
            return False
        self.status, self.reason, self.headers = status, reason, headers
        self._framed, self._length, self._head_bytes = True, length, body_at
        if rest:
            self.chunks.append(data[body_at:])
            self.held = rest
        if bodiless or rest == length:
            self.complete = self.keep = True
        else:
            self._raw_left = length - rest
        return True

    def _take_raw(self, data: bytes) -> None:
        over = len(data) - self._raw_left
        if over > 0:
            data = data[:-over]
        self.chunks.append(data)
        self.held += len(data)
        self._raw_left -= len(data)
        if self._raw_left == 0:
            self.complete = True
            self.keep = over <= 0 and (not self._parsed or self._parser.should_keep_alive())

    def _parse(self, data: bytes) -> None:
        self._parsed = True
        if self.status:
            self._rest_bytes += len(data)  # on_body takes it back
        else:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.keep = False
            if not self.complete:
                self.trouble = Trouble.BAD_ANSWER
            return
        if self.complete:
            if self._head_only and data[-1:] != b"\n":
                self.keep = False  # behind the head is the beginning of a chunk, which the parser tells nobody of yet
            return
        if self._rest_bytes > REST_LIMIT or (not self.status and self._head_bytes > HEAD_LIMIT):
            self.trouble = Trouble.BAD_ANSWER
        elif self.status and self._length > RAW_FROM:
            self._raw_left = self._length - self.held

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """The first byte of an answer; a second one was not asked for."""
        if self.complete:
            self.keep = False

    def on_status(self, reason: bytes) -> None:
        """A part of the reason phrase."""
        if not self.complete:
            self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the answer, or a trailer."""
        if self.status:
            self.trailers.append((name, value))
            return
        self.headers.append((name, value))
        size = len(name)
        if size == 14 and name.lower() == b"content-length":
            self._length = int(value)
        elif size == 17 and name.lower() == b"transfer-encoding":
            if self._framed or value.lower() != b"chunked":
                self.trouble = Trouble.BAD_ANSWER  # another coding would have to be undone, not passed on
            self._framed = True

    def on_headers_complete(self) -> None:
        """The head of an answer is whole; it is the final one unless it is a 1xx."""
        if self.complete or self.trouble is not None:
            return
        status = self._parser.get_status_code()
        garbled = _CONTROL.search(self.reason) is not None  # httptools lets some through
        two_framings = self._framed and self._length >= 0  # RFC 9112 section 6.3 calls it an attack
        if garbled or two_framings or status == 101 or not 100 <= status <= 599:
            self.trouble = Trouble.BAD_ANSWER
        elif status < 200:
            self._pass_over(status)
        else:
            self.status = status
            self._framed = self._framed or self._length >= 0 or status in (204, 304)
            if self._head_only:
                self.complete = True
                self.keep = self._parser.should_keep_alive()

    def _pass_over(self, status: int) -> None:
        if status == 100:
            self.continued = True
        else:
            self.interim.append((status, self.reason, self.headers))
        self.headers, self.reason = [], b""
        self._framed, self._length = False, -1

    def on_chunk_header(self) -> None:
        """A chunk follows; not asked for where there is no body."""
        if self.complete:
            self.keep = False

    def on_body(self, body: bytes) -> None:
        """A part of the answer's body."""
        if self.complete or self.trouble is not None:
            self.keep = False
            return
        self._rest_bytes = 0
        self.chunks.append(body)
        self.held += len(body)

    def on_message_complete(self) -> None:
        """The end of an answer."""
        if self.status and not self.complete and self.trouble is None:
            self.complete = True
            self.keep = self._framed and self._parser.should_keep_alive()
