"""Clients that ask on and on over kept connections, and count: raw sockets, no library that hides a failure."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

PAUSE_S: Final = 0.01  # of a client between two requests: it leaves some of the machine to what is tested


@dataclass(slots=True)
class Load:
    """What the clients have seen. `failed` holds a sentence per request that got no whole answer of 200.

    A request on a kept connection that ends without a byte of an answer is `lost`: a browser asks again on a new
    connection and shows nothing. Whether that may happen is the test's to say.
    """

    port: int
    target: bytes = b"/who"
    answers: Counter[bytes] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    lost: int = 0
    connections: int = 0
    over: bool = False

    @property
    def answered(self) -> int:
        return self.answers.total()

    async def client(self) -> None:
        """Ask until it is over."""
        while not self.over:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError as error:
                self.failed.append(f"connect: {type(error).__name__}")
                await asyncio.sleep(0.01)
                continue
            self.connections += 1
            try:
                await self._ask_on(reader, writer)
            finally:
                writer.close()

    async def _ask_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = 0
        while not self.over:
            try:
                writer.write(b"GET %s HTTP/1.1\r\nHost: shop.test\r\n\r\n" % self.target)
                head, body = await read_answer(reader)
            except (OSError, asyncio.IncompleteReadError) as error:
                if asked and not (isinstance(error, asyncio.IncompleteReadError) and error.partial):
                    self.lost += 1
                else:
                    self.failed.append(f"answer: {type(error).__name__}")
                return
            asked += 1
            if head.startswith(b"HTTP/1.1 200 "):
                self.answers[body] += 1
            else:
                self.failed.append(head.partition(b"\r\n")[0].decode())
            if b"\r\nconnection: close" in head.lower():
                return
            await asyncio.sleep(PAUSE_S)


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """The head and the body of a sized answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    return head, await reader.readexactly(length)


@asynccontextmanager
async def load(port: int, clients: int) -> AsyncIterator[Load]:
    """So many clients while the block runs; they finish what they have asked."""
    this = Load(port)
    tasks = [asyncio.create_task(this.client()) for _ in range(clients)]
    try:
        yield this
    finally:
        this.over = True
        async with asyncio.timeout(30):
            await asyncio.gather(*tasks)
