"""The mirror: sends copies after the client has its answer, compares, and hands the findings on.

It is bounded in jobs, in bytes and in time, and offering never waits: what does not fit is dropped and
counted. Nothing that goes wrong in here reaches a client.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Final

from gateway.diff.rules import Rules
from gateway.message import Observation, OutboundRequest, Side
from gateway.shadow.budget import Budget
from gateway.shadow.comparing import Comparer
from gateway.shadow.court import Court
from gateway.shadow.drop import Drop, drop
from gateway.shadow.finding import EvidenceSink, Found
from gateway.shadow.job import Job
from gateway.shadow.lanes import Lanes
from gateway.shadow.pauses import TICK_S, Pauses
from gateway.shadow.pending import FLUSH_S, Pending
from gateway.shadow.record import Exchange, Recorder
from gateway.shadow.repute import Repute
from gateway.shadow.rests import Rests
from gateway.shadow.sparing import PER_SECOND, Rechecks
from gateway.shadow.stratum import stratum_of
from gateway.shadow.waiting import WaitingRoom
from gateway.shadow.way import Limits, Way
from gateway.telemetry import count, log

CLOSE_S: Final = 2.0  # how long closing waits for copies under way, and for the store


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the mirror may take: copies that wait, copies under way, seconds for one, bytes.

    Copies, waiting or under way, hold at most `held_bytes`, bodies that are being kept for them included, and findings
    that wait for the store as much again; each copy under way holds up to `cap` bytes of an answer beside that, twice
    in a recheck. A finding waits up to `flush_s` for others, a recheck `tick_s` for a clock to show another time. One
    route has `rechecks` in a second, and three quarters of everything at once at most, so that a slow one does not
    keep the others waiting.
    """

    queue: int = 10_000
    concurrency: int = 8
    timeout_s: float = 10.0
    cap: int = 1024 * 1024
    held_bytes: int = 32 * 1024 * 1024
    flush_s: float = FLUSH_S
    tick_s: float = TICK_S
    rechecks: float = PER_SECOND


class Mirror:
    """Takes jobs from the request path; runs until it is closed."""

    def __init__(
        self,
        ways: Mapping[Side, Way],
        rules: Callable[[str], Rules],
        sink: EvidenceSink,
        bounds: Bounds,
        recorder: Recorder | None = None,
        heard: Callable[[Found], None] = lambda _: None,
    ) -> None:
        self._ways = ways
        self._heard = heard  # who acts on findings: the store has them seconds later, if at all
        self._bounds = bounds
        self.budget = Budget(bounds.held_bytes)
        self._pending = Pending(sink, most=bounds.queue, held_bytes=bounds.held_bytes, flush_s=bounds.flush_s)
        self.served = self._pending.served
        self._apart = ThreadPoolExecutor(1, "compare")
        self._comparer = Comparer(self._apart)
        self._rests = Rests()
        self.court = Court(
            ways,
            rules,
            Limits(bounds.timeout_s, bounds.cap),
            self._apart,
            self._comparer,
            recorder or Recorder(),
            self._rests,
            Rechecks(bounds.rechecks),
            Repute(),
            Pauses(self.budget, bounds.tick_s),
        )
        self._room = WaitingRoom(bounds.concurrency, bounds.queue, bounds.held_bytes)
        self._lanes = Lanes(self.court, bounds.concurrency, self._room, self._over)
        self._flushing: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Begin; call from the running loop."""
        self._flushing = asyncio.create_task(self._pending.flush())
        self._lanes.open()

    def has_room(self, side: Side, route: str) -> bool:
        """Whether a copy for this side would be taken now; counted when not. It saves keeping a body for nothing."""
        why = self._full(route) or self._rather_not(side, route)
        if why is not None:
            drop(route, why)
        return why is None

    def offer(self, job: Job, *, held: int = 0) -> bool:
        """Queue a job, or drop it, counted, when there is no room for it; never waits.

        `held` bytes of the budget were taken for it already; they are the mirror's from here on.
        """
        why, size = self._full(job.route), job.size
        if why is None and (self._room.is_too_heavy(job.route, size) or not self.budget.take(size - held)):
            why = Drop.BYTES
        if why is not None:
            self.budget.give(held)
            self._dropped(job, why)
            return False
        count(f"shadow_offered.{job.route}")
        self._lanes.add(job, size)
        return True

    def found(self, finding: Found) -> None:
        """Keep a finding, one of the mirror's own or of a rehearsal."""
        count(f"shadow_verdict.{finding.outcome}/{finding.route}")
        self._heard(finding)
        self._pending.add(finding)

    def saw(self, route: str, request: OutboundRequest, status: int, target: bytes) -> None:
        """Take down what kind of request legacy has served, though nobody compares it."""
        try:
            revision = self.court.recorder.basis(route, self.court.rules(route)).revision
            legacy = Observation(Side.LEGACY, status, (), b"", 0.0)
            self._pending.saw((route, revision, stratum_of(request, legacy, target)))
        except Exception as bug:  # noqa: BLE001 - as below: whoever offers has a client to serve
            log("shadow_failed", level=logging.ERROR, bug=bug, route=route)

    def rescued(self, exchange: Exchange) -> None:
        """Keep what a rescue was; its verdict is known."""
        self.found(self.court.recorder.finding(exchange, self.court.rules(exchange.route), datetime.now(UTC)))

    def _dropped(self, job: Job, why: Drop) -> None:
        """Count a copy that is not compared; what legacy has answered is no secret to the gate for that."""
        drop(job.route, why)
        answered = job.answered
        if answered.side is Side.LEGACY and answered.status is not None and self.served.take(job.route):
            self.saw(job.route, job.copy, answered.status, job.target)

    def _full(self, route: str) -> Drop | None:
        if self._closed:
            return Drop.CLOSING
        return Drop.QUEUE_FULL if self._room.is_full(route) else None

    def _rather_not(self, side: Side, route: str) -> Drop | None:
        """Why a side would not be asked now; whoever sends a copy asks again."""
        way = self._ways.get(side)
        if way is not None and way.left_alone():
            return Drop.BREAKER_OPEN
        return Drop.RESTING if self._rests.has(route, side, monotonic()) else None

    @property
    def waiting(self) -> int:
        """Copies that wait for a lane."""
        return len(self._room)

    @property
    def held(self) -> int:
        """Bytes that copies hold, waiting or under way."""
        return self.budget.held

    async def aclose(self) -> None:
        """Stop; what is queued or under way is dropped, what was found is stored if that goes quickly."""
        self._closed = True
        await self._lanes.aclose(within_s=CLOSE_S)
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.wait([self._flushing], timeout=CLOSE_S)
        self._apart.shutdown(wait=False, cancel_futures=True)
        self._comparer.close()  # a kill, and milliseconds until the process is gone
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._pending.store_all()
        except TimeoutError:
            count("evidence_dropped.closing", len(self._pending))

    def _over(self, job: Job, size: int, found: Found | Drop) -> None:
        """A copy is done with."""
        self.budget.give(size)
        if not isinstance(found, Drop):
            self.found(found)
        elif found in (Drop.BUG, Drop.CLOSING):
            drop(job.route, found)
        else:
            self._dropped(job, found)
