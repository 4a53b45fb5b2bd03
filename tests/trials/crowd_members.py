"""The crowd, in a process of its own: `python -m tests.trials.crowd_members PORT`.

It says `here` once all are, and stays until its input ends.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from contextlib import suppress
from typing import Final

import uvloop

IDLE: Final = 2_000
HALF: Final = 200
DRIPPING: Final = 200
DRIP_S: Final = 1.0
_AT_ONCE: Final = 100


async def crowd(port: int) -> None:
    """Everybody, until the input ends."""
    door = asyncio.Semaphore(_AT_ONCE)
    here = [asyncio.Event() for _ in range(IDLE)]
    members = [asyncio.create_task(_idle(port, door, event)) for event in here]
    members += [asyncio.create_task(_half(port, door)) for _ in range(HALF)]
    members += [asyncio.create_task(_drip(port, door, number / DRIPPING * DRIP_S)) for number in range(DRIPPING)]
    for event in here:
        await event.wait()
    print("here", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for member in members:
        member.cancel()


async def _idle(port: int, door: asyncio.Semaphore, here: asyncio.Event) -> None:
    """Listen to a stream of events that has nothing to tell."""
    reader, writer = await _connected(port, door)
    writer.write(b"GET /events HTTP/1.1\r\nHost: trial.test\r\nAccept: text/event-stream\r\n\r\n")
    await reader.readuntil(b"data: hello\n\n")
    here.set()
    await reader.read()
    raise ConnectionError("a stream of events ended")


async def _half(port: int, door: asyncio.Semaphore) -> None:
    """Send half a head, wait until the gateway has had enough, and come again."""
    while True:
        reader, writer = await _connected(port, door)
        writer.write(b"GET / HTTP/1.1\r\nHost: tri")
        with suppress(ConnectionError):
            await reader.read()
        writer.close()


async def _drip(port: int, door: asyncio.Semaphore, begin_s: float) -> None:
    """Upload a byte a second."""
    _, writer = await _connected(port, door)
    writer.write(b"POST /upload HTTP/1.1\r\nHost: trial.test\r\nContent-Length: 100000\r\n\r\n")
    await asyncio.sleep(begin_s)
    while True:
        writer.write(b"x")
        await asyncio.sleep(DRIP_S)


async def _connected(port: int, door: asyncio.Semaphore) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    async with door:
        return await asyncio.open_connection("127.0.0.1", port)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    uvloop.run(crowd(int(sys.argv[1])))
