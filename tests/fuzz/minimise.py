"""Delta debugging: the shortest bytes that still do what the long ones did (Zeller and Hildebrandt, 2002)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Fails = Callable[[bytes], Awaitable[bool]]


async def minimise(data: bytes, fails: Fails, *, tries: int = 2_000) -> bytes:
    """Take away pieces, large ones first, for as long as it still fails and there are tries left."""
    size = max(1, len(data) // 2)
    while True:
        at, before = 0, len(data)
        while at < len(data) and tries > 0:
            tries -= 1
            shorter = data[:at] + data[at + size :]
            if await fails(shorter):
                data = shorter
            else:
                at += size
        if tries <= 0 or (size == 1 and len(data) == before):
            return data
        size = max(1, size // 2)
