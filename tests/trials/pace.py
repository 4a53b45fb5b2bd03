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

    def __init__(self, port: int, connections: int) -> None:
        self._port = port
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self._most = connections
        self.failed = 0

    async def open(self) -> None:
        """Make the connections."""
        for _ in range(self._most):
            self._free.put_nowait(await asyncio.open_connection("127.0.0.1", self._port))

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
        reader, writer = await self._free.get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        await reader.readexactly(int(length.group(1)) if length else 0)
        if not head.startswith(b"HTTP/1.1 200"):
            self.failed += 1
        self._free.put_nowait((reader, writer))
        return (perf_counter() - due) * 1000


def quantile(ordered: list[float], share: float) -> float:
    """The value below which this share lies."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
