"""Raw WebSockets for tests: a client and a legacy that see every byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from websockets.frames import Frame, Opcode

from tests.gateway.proxy import harness
from tests.gateway.proxy.harness import Received, Served, Upstream, until, upstream

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: shop.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: " + KEY + b"\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, masked: bool = True) -> bytes:
    """A frame with any opcode the library knows."""
    return Frame(Opcode(opcode), data, fin).serialize(mask=masked)


class Legacy:
    """An upstream that accepts every handshake and hands out its raw end."""

    def __init__(self, answer: bytes = SWITCH) -> None:
        self._answer = answer
        self.opened: asyncio.Queue[Streams] = asyncio.Queue()
        self.over = asyncio.Event()

    async def __call__(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._answer)
        self.opened.put_nowait((reader, writer))
        await self.over.wait()


@dataclass
class Open:
    """A WebSocket that is open: the raw ends of the client and of legacy, and what is between them."""

    client: Streams
    origin: Streams
    upstream: Upstream
    served: Served


@asynccontextmanager
async def socket(answer: bytes = SWITCH, **more: Any) -> AsyncIterator[Open]:
    """Open a WebSocket through a gateway; `more` is for the gateway."""
    legacy = Legacy(answer)
    async with upstream(legacy) as up, harness.gateway(up.url, **more) as served:
        client = await dial(served.port)
        try:
            async with asyncio.timeout(60):
                head = await client[0].readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 101 "), head
                origin = await legacy.opened.get()
                yield Open(client, origin, up, served)
                for _, writer in (client, origin):
                    writer.transport.abort()
                await until(lambda: served.gateway.ledger.websockets == 0)
        finally:
            legacy.over.set()
            client[1].transport.abort()


async def dial(port: int, handshake: bytes = HANDSHAKE) -> Streams:
    """A connection to the gateway that has sent a handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    writer.write(handshake)
    return reader, writer
