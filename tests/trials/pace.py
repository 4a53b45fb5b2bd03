"""Clients that come whether the ones before have been served or not: nobody's wait is left out.

They come by chance (a Poisson process, the same one in every round). At even gaps each would meet the same moment of
the one before it, and a few microseconds more or less would decide between meeting it and not.
"""

from __future__ import annotations

import asyncio
import random
import re
from time import perf_counter
from typing import Final

SEED: Final = 20_261_121
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


class Clients:
    """Keep-alive connections to a gateway; a client that finds none free has to wait, and its wait counts."""

    def __init__(self, port: int, connections: int, *, expected: bytes) -> None:
        self._port, self._expected = port, expected
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._most = connections
        self.wrong = 0  # answers that were another, or none

    async def open(self) -> None:
        """Make the connections."""
        for _ in range(self._most):
            self._free.put_nowait(await self._connected())

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def run(self, target: str, *, seconds: float, rate: float) -> list[float]:
        """Ask `rate` times a second on average; the milliseconds that each took from when it was due."""
        head = f"GET {target} HTTP/1.1\r\nhost: trial\r\nx-caller: %d\r\n\r\n"
        chance, due, asked = random.Random(SEED), perf_counter(), []
        for number in range(int(seconds * rate)):
            due += chance.expovariate(rate)
            if (early := due - perf_counter()) > 0:
                await asyncio.sleep(early)
            asked.append(asyncio.create_task(self._ask((head % number).encode(), due)))
        return sorted(await asyncio.gather(*asked))

    async def _ask(self, request: bytes, due: float) -> float:
        connection = await self._free.get()
        try:
            if not await self._is_right(request, *connection):
                self.wrong += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            self.wrong += 1
            connection[1].close()
            connection = await self._connected()
        self._free.put_nowait(connection)
        return (perf_counter() - due) * 1000

    async def _is_right(self, request: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length.group(1)) if length else 0)
        return head.startswith(b"HTTP/1.1 200") and body == self._expected


def quantile(ordered: list[float], share: float) -> float:
    """The value below which this share lies."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
