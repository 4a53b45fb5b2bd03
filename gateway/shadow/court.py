"""What copies are judged with, and by whom: this process serves clients, so another one compares and hides secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome
from gateway.message import Observation, OutboundRequest, Side
from gateway.shadow.comparer import LARGE
from gateway.shadow.comparing import Comparer, ComparerLost, Ground
from gateway.shadow.drop import Drop
from gateway.shadow.examining import Matter, written
from gateway.shadow.finding import Finding, Found
from gateway.shadow.job import Job
from gateway.shadow.pauses import Pauses
from gateway.shadow.record import Recorder
from gateway.shadow.repute import Repute
from gateway.shadow.rests import Rests
from gateway.shadow.sparing import Rechecks
from gateway.shadow.way import Limits, Way

GIVEN_UP: Final = "the comparison was given up: it took too long, or its process ended"

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Court:
    """What every copy is judged with. `apart` runs what may take a while, `comparer` what may take long."""

    ways: Mapping[Side, Way]
    rules: Callable[[str], Rules]
    limits: Limits
    apart: Executor
    comparer: Comparer
    recorder: Recorder
    rests: Rests
    rechecks: Rechecks
    repute: Repute
    pauses: Pauses

    async def legacy(self, job: Job, again: OutboundRequest) -> Observation | None:
        """Legacy's answer to one question more, None when there was none; with the credentials of the first time."""
        way = self.ways[Side.LEGACY]
        copy = way.dressed(again) if job.answered.side is Side.NEW else again
        observed = await way.ask(copy, self.limits)
        return None if isinstance(observed, Drop) or observed.failure is not None else observed

    async def written(self, matter: Matter) -> Found:
        """The finding on an exchange that has its verdict. To look for secrets in it takes milliseconds.

        The comparer looks where bodies were compared: it has begun by then, and no copy of another route waits.
        """
        exchange = matter.exchange
        if exchange.verdict.outcome is Outcome.MATCHED:
            return await self.on_thread(matter.finding)
        bodiless = replace(
            exchange, control=exchange.control._replace(body=b""), candidate=exchange.candidate._replace(body=b"")
        )
        return await self.elsewhere(matter._replace(exchange=bodiless), written)

    async def elsewhere(self, matter: Matter, work: Callable[..., Answer], *more: object) -> Answer | Finding:
        """What the comparer makes of it, else what stood before."""
        basis, exchange, now = matter
        ground, large = Ground(exchange.route, basis), matter.size >= LARGE
        try:
            return await self.comparer.ask(work, ground, exchange, now, *more, large=large)
        except ComparerLost:
            return await self.on_thread(matter.finding)

    async def on_thread(self, work: Callable[[], Answer]) -> Answer:
        """What a thread makes of it, in this process."""
        return await asyncio.get_running_loop().run_in_executor(self.apart, work)
