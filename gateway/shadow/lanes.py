"""Works copies off, so many at once: by callbacks as long as all goes well, by a task as soon as anything has to wait.

Most copies are asked on a connection that is idle, and agree: those need two turns of the loop, one to ask and one to
hear. It knows the order of the steps, and neither what is kept of a copy nor who stores it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from functools import partial
from time import monotonic
from typing import Any

from gateway.message import Observation
from gateway.shadow.asking import asked, limits_for, note, rests
from gateway.shadow.court import Court
from gateway.shadow.drop import Drop
from gateway.shadow.finding import Found, Matched
from gateway.shadow.job import Job
from gateway.shadow.judging import judged, looked_at
from gateway.shadow.pauses import Later
from gateway.shadow.waiting import LONGEST_S, WaitingRoom
from gateway.telemetry import log, request_id
from gateway.upstream.gathering import Gathering

Over = Callable[[Job, int, Found | Drop], None]  # what became of a job, which weighs so much

_Done = Found | Drop | Later


class Lanes:
    """`number` lanes for whoever is in the `room`; what became of each job is told to `over`, once."""

    def __init__(self, court: Court, number: int, room: WaitingRoom, over: Over) -> None:
        self._court, self._room, self._over = court, room, over
        self._free, self._number = 0, number
        self._asking: dict[Gathering, tuple[Job, int]] = {}
        self._tasks: set[asyncio.Task[_Done]] = set()
        self._asleep: dict[Later, tuple[Job, int, asyncio.TimerHandle]] = {}
        self._closed = False

    def open(self) -> None:
        """Begin; call from the running loop."""
        for _ in range(self._number):
            asyncio.get_running_loop().call_soon(self._turn)

    def add(self, job: Job, size: int) -> None:
        """Work a job off, at once where a lane is free."""
        self._room.enter(job, size, monotonic())
        if self._free:
            self._free -= 1
            self._turn()

    async def aclose(self, *, within_s: float) -> None:
        """End what is under way, and drop what waits."""
        self._closed = True
        for gathering, (job, size) in list(self._asking.items()):
            gathering.abandon()
            self._over(job, size, Drop.CLOSING)
        self._asking.clear()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)
        for later, (job, size, timer) in list(self._asleep.items()):
            timer.cancel()
            self._wake(job, size, later)
        for job, size, *_ in self._room.empty():
            self._over(job, size, Drop.CLOSING)

    def _turn(self) -> None:
        """A lane is free."""
        waiting = None if self._closed else self._room.next(monotonic())
        if waiting is None:
            self._free += 1
            return
        job, size, since, later = waiting
        try:
            if later is not None:
                self._go_on(job, size, later.work())
            elif monotonic() - since > LONGEST_S:
                self._end(job, size, Drop.LATE)
            else:
                self._ask(job, size)
        except Exception as bug:  # noqa: BLE001 - whoever offered a copy has a client to serve
            self._failed(job, size, bug)

    def _ask(self, job: Job, size: int) -> None:
        court = self._court
        if rests(job, court):
            self._end(job, size, Drop.RESTING)
            return
        way = court.ways[job.answered.side.other]
        gathering: Gathering | None = None
        if job.watch is None:
            copy, limits = way.dressed(job.copy), limits_for(job, court)
            gathering = way.gather(copy, limits, lambda came: self._heard(gathering, came))
        if gathering is None:
            self._go_on(job, size, self._asked(job))
        else:
            self._asking[gathering] = job, size

    def _heard(self, gathering: Gathering | None, came: Observation | None) -> None:
        """An answer is here, whole or not; None: the connection was dead, and another one is worth a try."""
        if gathering is None or gathering not in self._asking:
            return
        job, size = self._asking.pop(gathering)
        if came is None:
            self._go_on(job, size, self._asked(job))
            return
        try:
            note(job, self._court, came)
            found = looked_at(job, self._court, came)
        except Exception as bug:  # noqa: BLE001 - it came to a connection, which knows nothing of this
            self._failed(job, size, bug)
            return
        if isinstance(found, Matched):
            self._end(job, size, found)
        else:
            self._go_on(job, size, judged(job, self._court, found))

    async def _asked(self, job: Job) -> _Done:
        """The long way: for a connection that is still to be made, a side in this process, a copy that is watched."""
        came = await asked(job, self._court)
        if isinstance(came, Drop):
            return came
        note(job, self._court, came)
        await asyncio.sleep(0)  # clients' news first: what follows takes as long as serving one of them
        found = looked_at(job, self._court, came)
        return found if isinstance(found, Matched) else await judged(job, self._court, found)

    def _go_on(self, job: Job, size: int, work: Coroutine[Any, Any, _Done]) -> None:
        context = copy_context()
        context.run(request_id.set, job.request_id)
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(partial(self._done, job, size))  # also of one that is cancelled before it begins

    def _done(self, job: Job, size: int, task: asyncio.Task[_Done]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            self._end(job, size, Drop.CLOSING)
        elif (bug := task.exception()) is not None:
            self._failed(job, size, bug)
        elif isinstance(done := task.result(), Later):
            self._sleep(job, size, done)
        else:
            self._end(job, size, done)

    def _sleep(self, job: Job, size: int, later: Later) -> None:
        """The job goes on after a while, and others have its lane meanwhile."""
        if self._closed:
            self._court.pauses.leave(later)
            self._end(job, size, Drop.CLOSING)
            return
        timer = asyncio.get_running_loop().call_later(later.after_s, self._wake, job, size, later)
        self._asleep[later] = job, size, timer
        self._leave(job, size)

    def _wake(self, job: Job, size: int, later: Later) -> None:
        del self._asleep[later]
        self._court.pauses.leave(later)
        self._room.enter(job, size, monotonic(), later)
        if self._free and not self._closed:
            self._free -= 1
            self._turn()

    def _failed(self, job: Job, size: int, bug: BaseException) -> None:
        log("shadow_failed", level=logging.ERROR, bug=bug, route=job.route, request_id=job.request_id)
        self._end(job, size, Drop.BUG)

    def _end(self, job: Job, size: int, found: Found | Drop) -> None:
        try:
            self._over(job, size, found)
        finally:
            self._leave(job, size)

    def _leave(self, job: Job, size: int) -> None:
        """A job has no lane any more."""
        self._room.leave(job, size)
        if self._room and not self._closed:
            asyncio.get_running_loop().call_soon(self._turn)  # not at once: clients come in between
        else:
            self._free += 1
