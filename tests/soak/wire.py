"""HTTP/1.1 as the soak reads and writes it at both ends: strictly, and with nothing forgiven or put right.

What is not exactly as it should be raises MangledError, what the other end broke off BrokenOffError.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.soak.plan import Framing

_FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*")
_SIZE: Final = re.compile(rb"[0-9a-fA-F]{1,8}")
_PIECE: Final = 65536


class MangledError(Exception):
    """What came is no HTTP."""


class BrokenOffError(Exception):
    """The other end left; `got` is what had come of the body, `at_all` whether anything of the message had."""

    def __init__(self, *, at_all: bool, got: bytes = b"") -> None:
        super().__init__("within a message" if at_all else "between two messages")
        self.at_all = at_all
        self.got = got


@dataclass(frozen=True, slots=True)
class Head:
    """A start line and the fields, names in lower case."""

    line: bytes
    fields: tuple[tuple[bytes, bytes], ...]

    def values(self, name: bytes) -> list[bytes]:
        """All values of a field."""
        return [value for field, value in self.fields if field == name]

    def value(self, name: bytes) -> bytes:
        """The only value of a field, empty when there is none."""
        match self.values(name):
            case []:
                return b""
            case [value]:
                return value
            case _:
                raise MangledError(f"{name!r} stands twice")

    @property
    def length(self) -> int | None:
        """Where the body ends: after so many bytes, None for chunks; 0 where nothing is said."""
        coding, length = self.value(b"transfer-encoding"), self.value(b"content-length")
        if coding and length:
            raise MangledError("two framings")
        if coding:
            if coding != b"chunked":
                raise MangledError(f"coding {coding!r}")
            return None
        if length and not length.isdigit():
            raise MangledError(f"length {length!r}")
        return int(length or 0)

    @property
    def is_framed(self) -> bool:
        return bool(self.values(b"transfer-encoding") or self.values(b"content-length"))


class Source:
    """Bytes from a connection, each taken once."""

    def __init__(self, more: Callable[[], Awaitable[bytes]]) -> None:
        self._more = more
        self._held = bytearray()

    async def head(self) -> Head:
        """The next message's head."""
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            await self._fill()
        lines = bytes(self._held[:end]).split(b"\r\n")
        del self._held[: end + 4]
        return Head(lines[0], tuple(_field(line) for line in lines[1:]))

    async def body(self, length: int | None) -> bytes:
        """The body behind a head."""
        got = bytearray()
        try:
            if length is not None:
                await self._take(length, got)
            else:
                while size := _chunk_size(await self._line()):
                    await self._take(size, got)
                    if await self._line():
                        raise MangledError("a chunk is longer than it says")
                while await self._line():
                    pass
        except BrokenOffError:
            raise BrokenOffError(at_all=True, got=bytes(got)) from None
        return bytes(got)

    async def until_close(self) -> bytes:
        """Everything up to the end of the connection."""
        while data := await self._more():
            self._held += data
        return bytes(self._held)

    async def _take(self, size: int, got: bytearray) -> None:
        while size:
            if not self._held:
                await self._fill()
            piece = self._held[:size]
            del self._held[:size]
            got += piece
            size -= len(piece)

    async def _line(self) -> bytes:
        while (end := self._held.find(b"\r\n")) < 0:
            await self._fill()
        line = bytes(self._held[:end])
        del self._held[: end + 2]
        return line

    async def _fill(self) -> None:
        data = await self._more()
        if not data:
            raise BrokenOffError(at_all=bool(self._held))
        self._held += data


def received(sock: socket.socket) -> Source:
    """What comes on a socket; a reset ends it like a close."""
    loop = asyncio.get_running_loop()

    async def more() -> bytes:
        try:
            return await loop.sock_recv(sock, _PIECE)
        except ConnectionError:
            return b""

    return Source(more)


def framed(body: bytes, framing: Framing) -> tuple[bytes, Iterator[bytes]]:
    """The field that says where a body ends, with its line end, and the body's pieces."""
    match framing:
        case Framing.SIZED:
            return b"content-length: %d\r\n" % len(body), iter((body,))
        case Framing.CHUNKED:
            return b"transfer-encoding: chunked\r\n", _chunks(body)
        case Framing.UNTIL_CLOSE:
            return b"connection: close\r\n", iter((body,))


def _chunks(body: bytes) -> Iterator[bytes]:
    step = max(1, len(body) // 5, min(len(body), 1000))
    for start in range(0, len(body), step):
        piece = body[start : start + step]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def _field(line: bytes) -> tuple[bytes, bytes]:
    read = _FIELD.fullmatch(line)
    if read is None:
        raise MangledError(f"field {line[:80]!r}")
    return read[1].lower(), read[2]


def _chunk_size(line: bytes) -> int:
    if not _SIZE.fullmatch(line):
        raise MangledError(f"chunk size {line[:80]!r}")
    return int(line, 16)
