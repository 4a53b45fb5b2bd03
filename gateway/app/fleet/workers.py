"""Keeps so many workers in service: starts them, replaces who dies, renews them one by one, ends them together.

All of them accept from one socket. What waits in its backlog is nobody's yet, so a worker that dies takes nothing
with it but what it was doing.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from typing import Any, Final

from gateway.app.fleet.channel import Said
from gateway.app.fleet.figures import figures_of, status_of
from gateway.app.fleet.hand import Hand
from gateway.app.fleet.hello import Hello
from gateway.app.opening import CannotStart
from gateway.metrics.fleet import Fleet
from gateway.metrics.snapshot import Snapshot
from gateway.telemetry import count, log
from gateway.upstream.lifespan import StartupFailed

START_S: Final = 120.0  # an app's start-up may take its time
STABLE_S: Final = 10.0  # a worker that lived so long may be replaced at once
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 30.0
END_S: Final = 15.0  # beyond `drain_s`: for its last findings, and a new side's own shutdown
LOOK_S: Final = 0.5
SILENT_S: Final = 3.0  # then /readyz says that it does not answer
FIGURES_S: Final = 5.0  # how much of its counts a killed worker may take with it
ANSWER_S: Final = 1.0
ORDER_S: Final = 10.0


class Workers:
    """`hello` makes what a worker of a number is told first, from what is in force at that moment."""

    def __init__(self, count: int, sock: socket.socket, hello: Callable[[int], Hello]) -> None:
        self._hello, self._sock = hello, sock
        self._hands: dict[int, Hand | None] = dict.fromkeys(range(1, count + 1))
        self._leaving: set[Hand] = set()
        self._replacing = {number: asyncio.Lock() for number in self._hands}
        self._figures = Fleet()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start all, and return when they serve; CannotStart or StartupFailed when one says that it cannot."""
        started = await asyncio.gather(*(self._started(number) for number in self._hands))
        for hand in started:
            refused = None if hand is None else hand.refused
            if refused is not None:
                await self.end(0)
                raise _refusal(refused)
        for number in self._hands:
            self._task(self._keep(number))
        self._task(self._watch())
        self._task(self._count())

    async def renew(self, drain_s: float) -> bool:
        """Replace one after the other, each when its successor serves; False when one does not start: it ends there."""
        for number, lock in self._replacing.items():
            async with lock:
                before, after = self._hands[number], await self._start_one(number)
                if after is None or not await after.is_up(START_S):
                    log("renewal_failed", level=logging.ERROR, worker=number, why=after and after.refused)
                    return False
                self._hands[number] = after
                if before is not None:
                    self._task(self._let_go(before, drain_s))
        log("workers_renewed", workers=len(self._hands))
        return True

    async def order(self, what: str, **more: object) -> list[str]:
        """Have all do something; a sentence for each that has not."""
        hands = [(number, hand) for number, hand in self._hands.items() if hand is not None]
        done = await asyncio.gather(*(hand.ask(what, within=ORDER_S, **more) for _, hand in hands))
        problems: list[str] = []
        for (number, _), said in zip(hands, done, strict=True):
            if said is None or "refused" in said:
                problems.append(f"worker {number}: {'no answer' if said is None else 'refused, see the log'}")
        return problems

    def hurry(self) -> None:
        """Have those who are leaving go at once."""
        self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all who live."""
        for hand in [*self._living(), *self._leaving]:
            hand.signal(number)

    async def end(self, drain_s: float) -> None:
        """Let all serve whoever they have, and go; who has not gone long after `drain_s` is killed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        everybody = [*self._living(), *self._leaving]
        self.signal(signal.SIGTERM)
        gone = [asyncio.create_task(hand.over()) for hand in everybody]
        if gone:
            _, late = await asyncio.wait(gone, timeout=drain_s + END_S)
            if late:
                log("workers_killed", level=logging.ERROR, workers=len(late))
                self.signal(signal.SIGKILL)
                await asyncio.wait(late)

    def status(self, changes: int) -> list[dict[str, Any]]:
        """What /readyz says of each worker; `changes` is how many flips this process knows of."""
        return [{"worker": number, **_shown(hand, changes)} for number, hand in self._hands.items()]

    async def snapshot(self) -> Snapshot:
        """The figures of all; of a worker that does not answer, the last it has told."""
        await asyncio.gather(*(hand.ask("figures", within=ANSWER_S) for hand in self._living()))
        return self._figures.merged()

    # one worker

    async def _keep(self, number: int) -> None:
        """Replace this worker whenever it has died: at once, then with growing pauses."""
        deaths = 0
        while True:
            hand = self._hands[number]
            if hand is not None:
                code = await hand.over()
                if self._hands[number] is not hand:
                    continue  # it was renewed; the next one is to be looked after
                deaths = 0 if _age(hand) > STABLE_S else deaths + 1
                count(f"worker_died.{_end(code)}")
                log(
                    "worker_died",
                    level=logging.ERROR,
                    worker=number,
                    pid=hand.pid,
                    refused=hand.refused,
                    end=_end(code),
                )
            await asyncio.sleep(_pause(deaths))
            async with self._replacing[number]:
                if self._hands[number] is hand:
                    await self._started(number)
                    deaths += self._hands[number] is None

    async def _started(self, number: int) -> Hand | None:
        """Start one in its place, and wait until it serves or has ended."""
        hand = self._hands[number] = await self._start_one(number)
        if hand is not None and await hand.is_up(START_S):
            log("worker_ready", worker=number, pid=hand.pid)
        return hand

    async def _start_one(self, number: int) -> Hand | None:
        try:
            hand = await Hand.start(self._hello(number), self._sock, self._take_figures)
        except OSError as error:
            log("worker_not_started", level=logging.ERROR, worker=number, error=error.strerror)
            return None
        self._task(self._bury(hand))
        return hand

    async def _bury(self, hand: Hand) -> None:
        await hand.over()
        self._leaving.discard(hand)
        self._figures.gone(hand.pid)

    async def _let_go(self, hand: Hand, drain_s: float) -> None:
        """Have one serve whoever it has, and go."""
        self._leaving.add(hand)
        hand.signal(signal.SIGTERM)
        _, late = await asyncio.wait({asyncio.ensure_future(hand.over())}, timeout=drain_s + END_S)
        if late:
            log("workers_killed", level=logging.ERROR, workers=1)
            hand.signal(signal.SIGKILL)

    def _living(self) -> list[Hand]:
        return [hand for hand in self._hands.values() if hand is not None]

    # what they say

    async def _watch(self) -> None:
        while True:
            await asyncio.gather(*(hand.ask("status", within=ANSWER_S) for hand in self._living()))
            await asyncio.sleep(LOOK_S)

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(FIGURES_S)
            await self.snapshot()

    def _take_figures(self, pid: int, said: object) -> None:
        figures = figures_of(said)
        if figures is not None:
            self._figures.told(pid, figures)

    def _task(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _shown(hand: Hand | None, changes: int) -> dict[str, Any]:
    if hand is None or not hand.ready.is_set():
        return {"pid": None if hand is None else hand.pid, "ready": False}
    status = status_of(hand.status)
    known = status.pop("changes", 0)
    answers = asyncio.get_running_loop().time() - hand.heard_at < SILENT_S
    return {"pid": hand.pid, "ready": answers, "answers": answers, "behind": known < changes, **status}


def _age(hand: Hand) -> float:
    return asyncio.get_running_loop().time() - hand.begun


def _pause(deaths: int) -> float:
    """Seconds before a worker is replaced: none for the first death, so that one crash costs nothing."""
    return 0.0 if deaths <= 1 else min(FIRST_PAUSE_S * 2.0 ** min(deaths - 2, 20), LONGEST_PAUSE_S)


def _end(code: int) -> str:
    """How a process has ended, as people say it: `exit 1`, `SIGKILL`."""
    if code >= 0:
        return f"exit {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _refusal(refused: Said) -> Exception:
    problems = refused.get("cannot_start")
    if isinstance(problems, list):
        return CannotStart([str(problem) for problem in problems])
    return StartupFailed(str(refused.get("startup_failed", "")))
