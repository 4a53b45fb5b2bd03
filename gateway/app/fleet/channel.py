"""What a supervisor and a worker say to each other: JSON in bounded frames over a pair of sockets.

The other end may be dead, frozen, or run somebody's broken handlers: nothing here waits for it without a bound, and
what is no frame ends the channel.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from typing import Any, Final

Said = dict[str, Any]

MOST_BYTES: Final = 64 * 1024 * 1024  # contracts of ten thousand routes are a tenth of it
WRITE_S: Final = 10.0

_SIZE: Final = struct.Struct("!I")


class Channel:
    """One end; `hear` and `tell` may be used at the same time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._one_at_a_time = asyncio.Lock()

    @classmethod
    async def on(cls, sock: socket.socket) -> Channel:
        """Use one socket of a pair; it belongs to the channel from now on."""
        return cls(*await asyncio.open_unix_connection(sock=sock))

    async def tell(self, said: Said) -> bool:
        """Send a frame; False when the other end is gone or takes nothing."""
        frame = packed(said)
        async with self._one_at_a_time:
            if self._writer.is_closing():
                return False
            try:
                async with asyncio.timeout(WRITE_S):
                    self._writer.write(frame)
                    await self._writer.drain()
            except (OSError, TimeoutError):
                self._writer.transport.abort()  # half a frame may have gone: nothing can follow it
                return False
        return True

    async def hear(self) -> Said | None:
        """The next frame; None when there will be no more."""
        try:
            size = _SIZE.unpack(await self._reader.readexactly(_SIZE.size))[0]
            if size > MOST_BYTES:
                return None
            return unpacked(await self._reader.readexactly(size))
        except (OSError, ValueError, RecursionError, asyncio.IncompleteReadError):
            return None

    def close(self) -> None:
        """End it, for both."""
        self._writer.close()


def packed(said: Said) -> bytes:
    """A frame."""
    text = json.dumps(said).encode()
    return _SIZE.pack(len(text)) + text


def unpacked(text: bytes) -> Said:
    """What a frame says; ValueError when that is not JSON, or not an object."""
    said = json.loads(text)
    if not isinstance(said, dict):
        raise ValueError("this is no object")
    return said


def first_frame(sock: socket.socket) -> Said:
    """The first frame, before there is a loop; OSError or ValueError when there is none."""
    size = _SIZE.unpack(_exactly(sock, _SIZE.size))[0]
    if size > MOST_BYTES:
        raise ValueError("the frame is too large")
    return unpacked(_exactly(sock, size))


def _exactly(sock: socket.socket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = sock.recv(min(size - len(found), 1024 * 1024))
        if not piece:
            raise ConnectionError("the supervisor has gone")
        found += piece
    return bytes(found)
