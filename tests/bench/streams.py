"""An upstream that takes and gives bodies of any size: `python -m tests.bench.streams PORT MARK ANSWER`.

Every request's body is read to its end before the answer goes out, which tells how long it was; `/gigabyte` answers
1 GB, `/events` one event of a stream that never ends, and of what is sent to `/stalled` nothing is read beyond its
beginning. nginx would answer an upload at once.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import httptools
import uvloop

GIGABYTE: Final = 1 << 30
_PIECE: Final = bytes(1 << 18)
_EVENTS: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\nd\r\ndata: hello\n\n\r\n"
)


class Stream(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self, mark: str, answer: str) -> None:
        self._mark, self._answer = mark, answer.encode()
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._length = self._left = 0
        self._full = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A front has connected."""
        self._transport = transport  # type: ignore[assignment]  # of TCP

    def data_received(self, data: bytes) -> None:
        """A part of a request."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def pause_writing(self) -> None:
        """The socket is full."""
        self._full = True

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._full = False
        self._give()

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """Another request."""
        self._target, self._length = b"", 0

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._target += url

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._target == b"/stalled":
            self._transport.pause_reading()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._length += len(body)

    def on_message_complete(self) -> None:
        """The request is whole: answer it."""
        if self._target == b"/gigabyte":
            self._left = GIGABYTE
            self._transport.write(self._head(GIGABYTE))
            self._give()
        elif self._target == b"/events":
            self._transport.write(_EVENTS)
        else:
            self._transport.write(self._head(len(self._answer)) + self._answer)

    def _head(self, length: int) -> bytes:
        head = f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nx-mark: {self._mark}\r\nx-length: {self._length}\r\n"
        return (head + "content-type: application/json\r\n\r\n").encode()

    def _give(self) -> None:
        while self._left and not self._full and not self._transport.is_closing():
            self._left -= len(_PIECE)
            self._transport.write(_PIECE)


async def _serve(port: int, mark: str, answer: str) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Stream(mark, answer), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), *sys.argv[2:4]))
