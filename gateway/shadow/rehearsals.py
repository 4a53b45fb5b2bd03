"""Shadowed writes: the new side rehearses one before legacy does it, and both are compared when the client has gone.

It decides which writes are rehearsed now, and what is said of one. Bodies, clients and connections are not its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, Final

from gateway.diff.body import read_body
from gateway.diff.document import Document
from gateway.diff.verdict import Verdict
from gateway.message import Observation, OutboundRequest
from gateway.routing.route import Route
from gateway.shadow.drop import Drop, drop
from gateway.shadow.finding import Finding
from gateway.shadow.hot import Turn, Turns
from gateway.shadow.mirror import Mirror
from gateway.shadow.record import Exchange
from gateway.shadow.rows import Written
from gateway.shadow.writeset import compare_write, swaps_of
from gateway.telemetry import count, log
from gateway.upstream.inprocess import InProcess
from gateway.upstream.told import Told, Unsafe

MAX_SWAPS: Final = 1_000
LOOK_S: Final = 5.0  # how long the new side may take to look at the rows again


class Room:
    """How many rehearsals may be under way: fewer when one was late, and a little more with each that was not.

    They share one loop and one database with clients' writes: too many at once are all late, and every client waits
    for one that says nothing.
    """

    def __init__(self, most: int) -> None:
        self._most, self._now = most, float(most)

    @property
    def most(self) -> int:
        """At most so many now; one always may."""
        return int(self._now)

    def late(self, under_way: int) -> None:
        """One was not done in its budget, while so many were under way."""
        self._now = max(1.0, min(self._now, under_way) / 2)

    def in_time(self) -> None:
        """One was."""
        self._now = min(float(self._most), self._now + 1 / self._now)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One write, rehearsed: what was sent to the new side, what it said, what its units told."""

    route: str
    copy: OutboundRequest
    candidate: Observation
    told: Told
    turn: Turn


class Rehearsals:
    """The rehearsals of one new side that runs in this process; `under_way` holds something of the new side's."""

    def __init__(self, new: InProcess, mirror: Mirror, *, budget_s: float, concurrency: int, cap: int) -> None:
        self._new, self._mirror = new, mirror
        self.budget_s, self.cap = budget_s, cap
        self._room = Room(concurrency)
        self._turns = Turns()
        self._unsafe_at: dict[str, int] = {}  # the flag's version when a route was found so
        self.under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def unsafe(self) -> dict[str, Unsafe]:
        """The routes whose writes are not rehearsed any more, and why; as long as this code of the new side runs."""
        return self._new.unsafe

    def refusal(self, route: Route, flag_version: int) -> Drop | None:
        """Why a write of this route is not rehearsed now. Whoever moves the flag takes back that it is unsafe."""
        if not self._new.tells:
            return Drop.NO_REHEARSAL
        if route.key in self._new.unsafe:
            if self._unsafe_at.get(route.key) == flag_version:
                return Drop.UNSAFE
            del self._new.unsafe[route.key]
        return Drop.QUEUE_FULL if self.under_way >= self._room.most else None

    def pass_by(self, key: Hashable) -> None:
        """A write on this key goes to legacy and is not rehearsed: whoever is rehearsing one will find its rows."""
        self._turns.touch(key)

    async def rehearse(
        self, route: str, key: Hashable, copy: OutboundRequest, *, flag_version: int
    ) -> Rehearsed | Drop:
        """Have the new side do a write of which nothing stays; the budget is all the client waits for."""
        turn = self._turns.take(key)
        if turn is None:
            return Drop.HOT_KEY
        self.under_way += 1
        told = Told(on_unsafe=partial(self._mark, route, flag_version))
        try:
            candidate = await self._new.rehearse(copy, told, budget_s=self.budget_s, cap=self.cap)
        except BaseException:
            self._forget(told, turn)
            raise
        why = self._why_not(route, told, candidate)
        if why is None:
            self._room.in_time()
            return Rehearsed(route, copy, candidate, told, turn)
        self._forget(told, turn)
        return why

    def _why_not(self, route: str, told: Told, candidate: Observation) -> Drop | None:
        if told.unsafe is not None:
            return Drop.UNSAFE
        if told.abandoned or (candidate.failure is not None and candidate.failure.code == "new_timeout"):
            count(f"rehearsal_abandoned.{told.abandoned or 'budget'}/{route}")
            if not told.abandoned:
                self._room.late(self.under_way)
            return Drop.OVER_BUDGET
        return None

    def _mark(self, route: str, flag_version: int, unsafe: Unsafe) -> None:
        """A route does what cannot be rolled back; its writes are rehearsed no more. A thread may say so, and late."""
        if route not in self._new.unsafe:
            self._new.unsafe[route] = unsafe
            self._unsafe_at[route] = flag_version
            log("shadow_write_unsafe", level=logging.ERROR, route=route, act=unsafe.act, where=unsafe.where)

    def drop(self, rehearsed: Rehearsed) -> None:
        """Nothing will be compared: let go of what is held for it."""
        self._forget(rehearsed.told, rehearsed.turn)

    def judge(self, rehearsed: Rehearsed, control: Observation, made: Callable[[Verdict], Exchange]) -> None:
        """Look at the rows, compare, and keep what is found; nobody waits for it."""
        self._turns.give(rehearsed.turn)
        self._start(self._judged(rehearsed, control, made))

    async def aclose(self) -> None:
        """Drop what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=LOOK_S)

    def _forget(self, told: Told, turn: Turn) -> None:
        self._turns.give(turn)
        self._start(self._released(told))

    async def _released(self, told: Told) -> None:
        """Wait until nothing of a call runs any more, what stands behind its answer included, and let go of it."""
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(told.over.wait(), LOOK_S)
        finally:
            self.under_way -= 1
            await told.release()

    async def _judged(self, rehearsed: Rehearsed, control: Observation, made: Callable[[Verdict], Exchange]) -> None:
        try:
            self._mirror.found(await self._finding(rehearsed, control, made))
        except TimeoutError:
            drop(rehearsed.route, Drop.OVER_BUDGET)
        except asyncio.CancelledError:
            drop(rehearsed.route, Drop.CLOSING)
            raise
        except Exception as bug:  # noqa: BLE001 - a bug in a comparison, or of a new side's look, is no client's
            drop(rehearsed.route, Drop.BUG)
            log("shadow_failed", level=logging.ERROR, bug=bug, route=rehearsed.route)
        finally:
            await self._released(rehearsed.told)

    async def _finding(
        self, rehearsed: Rehearsed, control: Observation, made: Callable[[Verdict], Exchange]
    ) -> Finding:
        court, told = self._mirror.court, rehearsed.told
        rules, apart = court.rules(rehearsed.route), asyncio.get_running_loop().run_in_executor
        async with asyncio.timeout(LOOK_S):
            for unit in told.units:
                await unit.freeze()
        swaps = await apart(court.apart, partial(_swaps, control, rehearsed.candidate))
        async with asyncio.timeout(LOOK_S):
            seen = [(unit, list(await unit.look(swaps))) for unit in told.units]
        written = Written(
            [row for unit in told.units for row in unit.rows],
            [row for unit, rows in seen for row in rows[: len(unit.rows)]],
            would_commit=all(unit.would_commit for unit in told.units),
            unseen=[table for unit in told.units for table in unit.unseen],
            touched=rehearsed.turn.touched,
            others=[row for unit, rows in seen for row in rows[len(unit.rows) :]],
        )
        now = datetime.now(UTC)
        judging = partial(compare_write, control, rehearsed.candidate, written, rules, today=now.date(), swaps=swaps)
        verdict = await apart(court.apart, judging)
        exchange = replace(made(verdict), rows=written.values())
        return await apart(court.apart, court.recorder.finding, exchange, rules, now)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _swaps(control: Observation, candidate: Observation) -> list[tuple[str, str]]:
    """The values that differ at the same place of two JSON answers: legacy's row may have legacy's id."""
    if control.failure is not None or candidate.failure is not None:
        return []
    mine, theirs = read_body(control), read_body(candidate)
    if not isinstance(mine, Document) or not isinstance(theirs, Document):
        return []
    return list(islice(swaps_of(mine.value, theirs.value), MAX_SWAPS))
