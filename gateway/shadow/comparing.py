"""Has calls run in the process that compares (`comparer.py`): starts it, asks it, and ends it when it takes too long.

It does not know what is compared. Its end of the two's sockets is on the loop: a thread that waits for answers would
have to take the interpreter from clients for each of them.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, NamedTuple, TypeVar

from gateway.shadow.comparer import LARGE, LENGTH, pickled

LONGEST_S: Final = 60.0  # a comparison is bounded by its size; on a machine that is this busy nobody waits for it

Answer = TypeVar("Answer")


class ComparerLost(Exception):  # noqa: N818 - it says what happened
    """The process has ended, or was ended, before it answered; the next call has another one."""


class Ground(NamedTuple):
    """What many calls rest on: it travels once, and again when there is another one of the name."""

    name: str
    what: object


class Comparer:
    """Runs one call after the other. What blocks, which is seldom, is done on `apart`; use it on one loop."""

    def __init__(self, apart: Executor, *, longest_s: float = LONGEST_S) -> None:
        self._apart = apart
        self._longest_s = longest_s
        self._end: _End | None = None
        self._one_at_a_time = asyncio.Lock()
        self._closed = False

    async def ask(
        self, work: Callable[..., Answer], ground: Ground | None, *given: object, large: bool = True
    ) -> Answer:
        """What `work` gives for the ground, if there is one, and the rest; its exception is raised here.

        All of it travels, so it must be picklable. `large`: there may be something in `given` that should not be
        copied.
        """
        async with self._one_at_a_time:
            end = await self._begun()
            await self._lay(end, ground)
            name = None if ground is None else ground.name
            answered = end.ask(pickled((work, name, given), large=large))
            timer = asyncio.get_running_loop().call_later(self._longest_s, end.kill)
            try:
                frame = await answered
            finally:
                timer.cancel()
        raised, answer = pickle.loads(frame)  # noqa: S301 - our own process
        if raised is not None:
            raise raised
        value: Answer = answer
        return value

    def close(self) -> None:
        """End the process, at once, and whatever it is at."""
        self._closed = True
        if self._end is not None:
            self._end.kill()
            self._end.process.wait()  # a kill, and milliseconds until it is gone

    async def _begun(self) -> _End:
        end = self._end
        if end is not None and not end.lost:
            return end
        loop = asyncio.get_running_loop()
        if end is not None:
            end.kill()
            await loop.run_in_executor(self._apart, end.process.wait)
        if self._closed:
            raise ComparerLost("closed")
        process, own = await loop.run_in_executor(self._apart, _start)
        _, self._end = await loop.create_unix_connection(lambda: _End(process), sock=own)
        if self._closed:
            self.close()
            raise ComparerLost("closed")
        return self._end

    async def _lay(self, end: _End, ground: Ground | None) -> None:
        """See to it that the other end has the ground. Thousands of rules are not pickled on the loop."""
        if ground is None or end.laid.get(ground.name) is ground.what:
            return
        loop = asyncio.get_running_loop()
        number, *frames = await loop.run_in_executor(self._apart, pickled, ground.what)
        end.tell([b"%b %b" % (number, ground.name.encode()), *frames])
        end.laid[ground.name] = ground.what


def _start() -> tuple[subprocess.Popen[bytes], socket.socket]:
    own, others = socket.socketpair()
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    with others:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.shadow.comparer"],
            stdin=others.fileno(),
            env={**os.environ, "PYTHONPATH": path},
        )
    own.setblocking(False)
    return process, own


class _End(asyncio.Protocol):
    """The gateway's end: frames go out, and come back in the order of their questions."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.laid: dict[str, object] = {}  # the grounds that the other end has
        self.lost = False
        self._transport: asyncio.Transport
        self._waiting: deque[asyncio.Future[bytes]] = deque()
        self._read = bytearray()

    def ask(self, frames: list[bytes]) -> asyncio.Future[bytes]:
        """Send a question; its answer is a frame."""
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting.append(answered)
        if self.lost:
            self._let_down(None)
        self.tell(frames)
        return answered

    def tell(self, frames: list[bytes]) -> None:
        """Send what is small at once, for each write wakes the other end up; what is large is not copied."""
        small = bytearray()
        for frame in frames:
            small += LENGTH.pack(len(frame))
            if len(frame) < LARGE:
                small += frame
                continue
            self._write(small)
            self._write(frame)
            small = bytearray()
        self._write(small)

    def kill(self) -> None:
        """End the process; whoever waits for it hears of it."""
        self.process.kill()
        self._transport.abort()

    def _write(self, piece: bytes | bytearray) -> None:
        if piece and not self.lost:
            self._transport.write(piece)

    def _let_down(self, why: Exception | None) -> None:
        while self._waiting:
            answered = self._waiting.popleft()
            if not answered.done():
                answered.set_exception(ComparerLost(type(why).__name__))

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Both ends are there."""
        self._transport = transport  # type: ignore[assignment]  # of a socket pair, an asyncio.Transport

    def data_received(self, data: bytes) -> None:
        """A part of an answer."""
        read = self._read
        read += data
        while len(read) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(read)[0]
            if len(read) < end:
                return
            answered = self._waiting.popleft()
            if not answered.done():  # else nobody waits for it any more
                answered.set_result(bytes(read[LENGTH.size : end]))
            del read[:end]

    def connection_lost(self, exc: Exception | None) -> None:
        """The process has ended, or is about to."""
        self.lost = True
        self._let_down(exc)
