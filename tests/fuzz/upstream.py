"""A strict upstream: it keeps every byte it is sent, reads with h11 as they come, and says in each answer which
request it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from tests.fuzz.reading import Read, Reader

EARLY: Final = b"x-fuzz-early"  # a request with this field is answered before its body has come
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(slots=True)
class Arrived:
    """A request at the upstream; the answer to it carries its serial number."""

    serial: int
    read: Read
    early: bool


@dataclass(slots=True)
class Wire:
    """One connection from the gateway: what came on it, and what h11 could not read."""

    raw: bytearray = field(default_factory=bytearray)
    reader: Reader = field(default_factory=lambda: Reader(forgiving=False))
    gone: bool = False

    @property
    def half_sent(self) -> bool:
        """Whether a request has begun and has not ended."""
        return not self.reader.between


class Upstream:
    """All connections of one gateway to one upstream."""

    def __init__(self) -> None:
        self.wires: list[Wire] = []
        self.arrived: list[Arrived] = []
        self.port = 0
        self._serials = count(1)

    def take(self) -> list[Arrived]:
        """What has arrived since the last call."""
        arrived, self.arrived = self.arrived, []
        return arrived

    def take_closed(self) -> list[Wire]:
        """The connections that have ended since the last call."""
        closed = [wire for wire in self.wires if wire.gone]
        self.wires = [wire for wire in self.wires if not wire.gone]
        return closed

    def arrive(self, read: Read) -> Arrived:
        """Give a request its number."""
        arrived = Arrived(next(self._serials), read, early=bool(read.values(EARLY)))
        self.arrived.append(arrived)
        return arrived


class _Connection(asyncio.Protocol):
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._wire = Wire()
        self._noted: list[Arrived] = []
        self._answered = 0
        self._said_all = False
        self._transport: asyncio.Transport
        upstream.wires.append(self._wire)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TCP transport is an asyncio.Transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._wire.gone = True

    def data_received(self, data: bytes) -> None:
        if self._said_all:
            return
        self._wire.raw += data
        reader = self._wire.reader
        reader.feed(data)
        self._noted += [self._upstream.arrive(read) for read in reader.requests[len(self._noted) :]]
        if reader.wants_body:
            self._transport.write(_CONTINUE)
        for arrived in self._noted[self._answered :]:
            if arrived.read.whole or arrived.early:
                self._answered += 1
                self._answer(arrived)
        if reader.fault is not None or (reader.over and self._answered == len(self._noted)):
            self._transport.close()

    def _answer(self, arrived: Arrived) -> None:
        answer, closes = _SHAPES[arrived.serial % len(_SHAPES)](arrived)
        self._transport.write(answer)
        if closes and not self._transport.is_closing():
            self._transport.write_eof()  # and reads on: closing now would be a reset, which takes the answer with it
            self._said_all = True


def _sized(arrived: Arrived) -> tuple[bytes, bool]:
    return _head(arrived, b"content-length: %d\r\n" % len(_body(arrived))) + _sent(arrived, _body(arrived)), False


def _chunked(arrived: Arrived) -> tuple[bytes, bool]:
    body = _body(arrived)
    chunks = b"%x\r\n%b\r\n0\r\nx-trailer: 1\r\n\r\n" % (len(body), body)
    return _head(arrived, b"transfer-encoding: chunked\r\n") + _sent(arrived, chunks), False


def _until_close(arrived: Arrived) -> tuple[bytes, bool]:
    return _head(arrived, b"connection: close\r\n") + _sent(arrived, _body(arrived)), True


def _hinted(arrived: Arrived) -> tuple[bytes, bool]:
    answer, closes = _sized(arrived)
    return b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + answer, closes


def _empty(arrived: Arrived) -> tuple[bytes, bool]:
    return b"HTTP/1.1 204 No Content\r\nx-serial: %d\r\n\r\n" % arrived.serial, False


_SHAPES: Final[tuple[Callable[[Arrived], tuple[bytes, bool]], ...]] = (_sized, _chunked, _until_close, _hinted, _empty)


def _head(arrived: Arrived, framing: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nx-serial: %d\r\n%b\r\n" % (arrived.serial, framing)


def _body(arrived: Arrived) -> bytes:
    return b"serial %d" % arrived.serial


def _sent(arrived: Arrived, body: bytes) -> bytes:
    return b"" if arrived.read.method == b"HEAD" else body


@asynccontextmanager
async def strict_upstream() -> AsyncIterator[Upstream]:
    """Serve one on a free port."""
    upstream = Upstream()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(upstream), "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
