"""A worker as its supervisor has it: a process, a channel to it, and what it has said last."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Final

from gateway.app.fleet.channel import Channel, Said
from gateway.app.fleet.hello import Hello

MOST_UNANSWERED: Final = 8  # of a worker that is frozen; then it is not asked any more
OVER_S: Final = 5.0  # between the end of a channel and the end of its process
PROGRAM: Final = "gateway.app.fleet.worker"


Told = Callable[[int, object], None]  # takes a worker's figures, by its process id


class Hand:
    """Make it with `start`. `refused` is what the worker has said instead of being ready."""

    def __init__(self, process: Process, channel: Channel, told: Told) -> None:
        self.pid = process.pid
        self.status: Said = {}
        self.refused: Said | None = None
        self.begun = self.heard_at = asyncio.get_running_loop().time()
        self.ready = asyncio.Event()
        self._process, self._channel, self._told = process, channel, told
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Said]] = {}
        self._over = asyncio.create_task(self._live())

    @classmethod
    async def start(cls, hello: Hello, data: socket.socket, told: Told) -> Hand:
        """Start a worker that serves clients of `data`; OSError when the system will not have it."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-m",
                    PROGRAM,
                    str(theirs.fileno()),
                    str(data.fileno()),
                    stdin=DEVNULL,
                    pass_fds=(theirs.fileno(), data.fileno()),
                    start_new_session=True,  # a terminal's Ctrl-C and hang-up are for the supervisor
                )
            channel = await Channel.on(ours)
        except BaseException:
            ours.close()
            raise
        hand = cls(process, channel, told)
        await channel.tell(hello.said())
        return hand

    async def over(self) -> int:
        """Wait until the process has ended: its exit code, or the negated number of the signal that ended it."""
        await asyncio.shield(self._over)
        return await self._process.wait()

    async def is_up(self, within: float) -> bool:
        """Wait until it serves clients; False when it has ended, or takes too long and is ended."""
        ready = asyncio.create_task(self.ready.wait())
        try:
            await asyncio.wait({ready, self._over}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if not self.ready.is_set():
            self.signal(signal.SIGKILL)
        return self.ready.is_set()

    async def ask(self, what: str, *, within: float, **more: object) -> Said | None:
        """Ask something; None when there is no answer in time."""
        if len(self._asked) >= MOST_UNANSWERED:
            return None
        number = next(self._numbers)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                told = await self._channel.tell({"ask": number, "what": what, **more})
                return await answer if told else None
        return None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _live(self) -> None:
        """Hear it until it says no more; a worker without a channel is of no use, so it is ended."""
        while (said := await self._channel.hear()) is not None:
            self._take(said)
        self._channel.close()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_result({})
        try:
            async with asyncio.timeout(OVER_S):
                await self._process.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self._process.wait()

    def _take(self, said: Said) -> None:
        self.heard_at = asyncio.get_running_loop().time()
        if "figures" in said:
            self._told(self.pid, said["figures"])
        if isinstance(said.get("status"), dict):
            self.status = said["status"]
        if said.get("ready") is True:
            self.ready.set()
        if "cannot_start" in said or "startup_failed" in said:
            self.refused = said
        number = said.get("answers")
        answer = self._asked.pop(number, None) if isinstance(number, int) else None
        if answer is not None and not answer.done():
            answer.set_result(said)
