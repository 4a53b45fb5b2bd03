"""Raw clients of the soak: kept connections, some pipelining, uploads of both framings, and some that leave."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from tests.soak.judge import Answer, Ending, judge
from tests.soak.ledger import Ledger, Wrong
from tests.soak.plan import NAME, Plan, plan_of, upload_body
from tests.soak.wire import BrokenOffError, MangledError, Source, framed, received

PATIENCE_S: Final = 30.0
_CALLERS: Final = 200
_PIPELINED: Final = 0.1
_LEAVES: Final = 0.02
_HANGS_UP: Final = 0.03


@dataclass(slots=True)
class Clients:
    """All clients of one run."""

    port: int
    seed: int
    ledger: Ledger
    over: bool = False
    numbers: count[int] = field(default_factory=count)

    async def run(self, number: int) -> None:
        """One client: connect and ask, again and again, until it is over."""
        dice = random.Random(f"{self.seed} client {number}")
        while not self.over:
            with socket.socket() as sock:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
                except OSError as error:
                    self.ledger.note(Wrong.LOST, f"a client could not connect: {type(error).__name__}")
                    await asyncio.sleep(0.1)
                    continue
                self.ledger.counts["connections"] += 1
                await self._use(sock, dice)

    async def _use(self, sock: socket.socket, dice: random.Random) -> None:
        source, turns = received(sock), count(1)
        while not self.over:
            burst = dice.randrange(2, 5) if dice.random() < _PIPELINED else 1
            plans = [plan_of(f"{self.seed}-{next(self.numbers)}") for _ in range(burst)]
            self.ledger.counts["asked"] += burst
            caller = dice.randrange(_CALLERS)
            if dice.random() < _LEAVES:
                await self._leave(sock, plans[0], caller, share=dice.random())
                return
            if not await self._ask(sock, source, plans, caller, turns) or dice.random() < _HANGS_UP:
                return

    async def _ask(
        self, sock: socket.socket, source: Source, plans: Sequence[Plan], caller: int, turns: count[int]
    ) -> bool:
        """Send requests in one go and read their answers; whether the connection goes on."""
        asked_at = time.monotonic()
        sending = asyncio.create_task(_send(sock, plans, caller))
        try:
            for at, plan in enumerate(plans, 1):
                answer = await _answer(source)
                self._count(plan, answer, asked_at, nth=next(turns))
                if answer.closes:
                    self.ledger.counts["asked behind a closing answer"] += len(plans) - at
                    return False
            return sending.done()
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending

    def _count(self, plan: Plan, answer: Answer, asked_at: float, *, nth: int) -> None:
        shown = str(answer.status or answer.ending.value)
        self.ledger.answers[shown if answer.ending is Ending.CLEAN or not answer.status else f"{shown} cut"] += 1
        if wrong := judge(plan, answer, legacy_was_out=self.ledger.excuses(asked_at)):
            which = f"answer {nth} of its connection"
            self.ledger.note(wrong[0], f"{wrong[1]} ({which}; {self.ledger.describe(plan.name)})")

    async def _leave(self, sock: socket.socket, plan: Plan, caller: int, *, share: float) -> None:
        """Send a part of a request, or all of it and read a part of the answer; then go."""
        self.ledger.counts["left"] += 1
        loop = asyncio.get_running_loop()
        sent = _request(plan, caller)
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await loop.sock_sendall(sock, sent if share < 0.6 else sent[: int(len(sent) * share)])
                if share < 0.6:
                    await loop.sock_recv(sock, 1 + int(share * 10_000))


async def _send(sock: socket.socket, plans: Sequence[Plan], caller: int) -> None:
    with suppress(OSError):  # whoever has answered and closed reads no more: the answer decides
        await asyncio.get_running_loop().sock_sendall(sock, b"".join(_request(plan, caller) for plan in plans))


def _request(plan: Plan, caller: int) -> bytes:
    line = f"{plan.method} {plan.path} HTTP/1.1\r\nhost: soak.test\r\nx-caller: {caller}\r\n".encode()
    named = line + b"%b: %b\r\n" % (NAME, plan.name.encode())
    if plan.upload is None:
        return named + b"\r\n"
    field_line, pieces = framed(upload_body(plan), plan.upload_framing)
    return named + field_line + b"\r\n" + b"".join(pieces)


async def _answer(source: Source) -> Answer:
    """The next answer, whatever becomes of it."""
    head = None
    try:
        async with asyncio.timeout(PATIENCE_S):
            while head is None or head.line.startswith(b"HTTP/1.1 1"):
                head = await source.head()
            if not head.line.startswith(b"HTTP/1.1 ") or not head.line[9:12].isdigit():
                return Answer(Ending.MANGLED, why=repr(head.line[:80]))
            body = await source.body(head.length) if head.is_framed else await source.until_close()
    except MangledError as error:
        return Answer(Ending.MANGLED, why=str(error))
    except TimeoutError:
        return Answer(Ending.SILENCE, head)
    except BrokenOffError as broken:
        return Answer(Ending.BROKEN if broken.at_all else Ending.NOTHING, head, broken.got)
    return Answer(Ending.CLEAN, head, body)
