"""From both answers to a finding: compared at a glance or by whoever may take long, legacy perhaps asked again.

It knows no queue and no store. Whatever is not surely equal is compared in another process: this one serves clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

from gateway.diff.agreement import agree
from gateway.diff.body import same_bytes
from gateway.diff.compare import compare
from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome, Verdict
from gateway.message import Observation, OutboundRequest, Side
from gateway.shadow.comparer import LARGE
from gateway.shadow.comparing import Comparer, ComparerLost, Ground
from gateway.shadow.drop import Drop
from gateway.shadow.examining import Matter, because, examine, examined, examined_again, written
from gateway.shadow.finding import Finding, Found, Matched
from gateway.shadow.job import Job
from gateway.shadow.recheck import Question, may_have_ticked, nothing_to_compare, question, unconditional
from gateway.shadow.record import Exchange, Recorder
from gateway.shadow.rests import Rests
from gateway.shadow.sparing import Rechecks
from gateway.shadow.stratum import stratum_of
from gateway.shadow.way import Limits, Way
from gateway.telemetry import count

TICK_S: Final = 1.05  # after so long a clock of whole seconds shows another time
UNCONDITIONAL: Final = "legacy was asked again without the client's validators"
GIVEN_UP: Final = "the comparison was given up: it took too long, or its process ended"
NOT_AGAIN: Final = "legacy could not be asked again"
SPARED: Final = "legacy was not asked again, to spare it, and disagrees with itself now and then: this may be noise"

_SPARED: Final = Verdict(Outcome.NOT_COMPARABLE, reason=SPARED)
_GIVEN_UP: Final = Verdict(Outcome.NOT_COMPARABLE, reason=GIVEN_UP)

Answer = TypeVar("Answer")


class Pauses:
    """So many rechecks may wait for a clock to tick at once; the others are made without."""

    def __init__(self, most: int, tick_s: float = TICK_S) -> None:
        self._left, self._tick_s = most, tick_s

    async def pause(self) -> bool:
        """Let a clock tick, and say whether there was room to: it may have ticked between the new side and legacy."""
        if self._left <= 0:
            return False
        self._left -= 1
        try:
            await asyncio.sleep(self._tick_s)
        finally:
            self._left += 1
        return True


@dataclass(frozen=True, slots=True)
class Court:
    """What every copy is judged with. `apart` runs what may take a while, `comparer` what may take long."""

    ways: Mapping[Side, Way]
    rules: Callable[[str], Rules]
    limits: Limits
    apart: Executor
    pauses: Pauses
    rechecks: Rechecks
    recorder: Recorder
    comparer: Comparer
    rests: Rests


def looked_at(job: Job, court: Court, came: Observation) -> Matched | Matter:
    """The finding on two answers that are equal at a glance; what it is made of where somebody has to read them."""
    answered, rules, now = job.answered, court.rules(job.route), datetime.now(UTC)
    control, candidate = (came, answered) if came.side is Side.LEGACY else (answered, came)
    basis = court.recorder.basis(job.route, rules)
    if not agree(control, candidate, rules):
        return Matter(basis, _exchange(job, control, candidate), now)
    return Matched(
        job.route,
        basis.revision,
        job.request_id,
        now,
        job.copy.method,
        job.stage,
        job.flag_version,
        answered.side,
        control.status,
        candidate.status,
        control.elapsed_ms,
        candidate.elapsed_ms,
        stratum_of(job.copy, control, job.target),
    )


async def judged(job: Job, court: Court, matter: Matter) -> Found | Drop:
    """Compare, and ask legacy again where that tells noise from a mismatch."""
    return await _rechecked(job, matter, await _examined(court, matter), court)


def _has_body(one: Observation) -> bool:
    """Whether there is a body that somebody may have to read."""
    return one.failure is None and not one.truncated


async def _examined(court: Court, matter: Matter) -> Found:
    """The finding on two answers, as far as they tell."""
    control, candidate = matter.exchange.control, matter.exchange.candidate
    if not (_has_body(control) and _has_body(candidate)):
        return await _apart(court, partial(examine, matter))  # there is little but the request
    if same_bytes(control, candidate):
        verdict = compare(control, candidate, matter.basis.rules, today=matter.now.date())
        return await _written(court, matter.judged(verdict))
    return await _elsewhere(court, matter, examined)


async def _rechecked(job: Job, matter: Matter, found: Found, court: Court) -> Found | Drop:
    """The same, or what it has become after legacy was asked again; or why nothing was compared."""
    control, candidate = matter.exchange.control, matter.exchange.candidate
    wanted = question(job.copy, control, candidate, found.outcome, answered=job.answered.side)
    if wanted is Question.NOTHING or job.again is None or Side.LEGACY not in court.ways:
        return found
    if wanted is Question.NONE_LEFT:
        return await _written(court, matter.judged(nothing_to_compare(control, candidate)))
    now = asyncio.get_running_loop().time
    skip = court.rechecks.begin(job.route, now())
    if skip is not None:
        count(f"shadow_recheck.{skip}")
        return Drop.SPARED if wanted is Question.WHOLE else await _unasked(job, matter, found, court)
    try:
        judged = await _asked_for(wanted, job, job.again(), matter, found, court)
    finally:
        court.rechecks.end(job.route)
    return judged


async def _unasked(job: Job, matter: Matter, found: Found, court: Court) -> Found:
    """What stands of a mismatch where legacy is spared: all of it, unless it may be a clock's or the route's noise."""
    now = asyncio.get_running_loop().time()
    if court.rechecks.may_be_noise(job.route, now) or may_have_ticked(found.opened().verdict, matter.now):
        return await _written(court, matter.judged(_SPARED))
    return found


async def _asked_for(
    wanted: Question, job: Job, again: OutboundRequest, matter: Matter, found: Found, court: Court
) -> Found:
    """What a finding becomes by legacy's answer to what is wanted."""
    if wanted is Question.WHOLE:
        again = unconditional(again)
        whole = await _legacy(job, again, court)
        if whole is None:
            unasked = nothing_to_compare(matter.exchange.control, matter.exchange.candidate)
            return await _written(court, matter.judged(unasked))
        matter = matter._replace(exchange=replace(matter.exchange, control=whole))
        found = because(await _examined(court, matter), UNCONDITIONAL)
        if found.outcome is not Outcome.MISMATCHED:
            return found
    return await _asked_again(job, again, matter, found, court)


async def _asked_again(job: Job, again: OutboundRequest, matter: Matter, found: Found, court: Court) -> Found:
    """What legacy's second answer leaves of a mismatch; where it was asked after the new side, a third one's, later."""
    judged = await _held_against_itself(job, again, matter, found, court)
    if judged is not None and judged.outcome is Outcome.MISMATCHED and job.answered.side is Side.NEW:
        if await court.pauses.pause():
            judged = await _held_against_itself(job, again, matter, judged, court) or judged
        elif may_have_ticked(judged.opened().verdict, matter.now):
            judged = await _written(court, matter.judged(_SPARED))
    if judged is None:
        count("shadow_recheck.failed")
        return because(found, NOT_AGAIN)
    count(f"shadow_recheck.{'noise' if judged.outcome is Outcome.NOISE else 'confirmed'}")
    return judged


async def _held_against_itself(
    job: Job, again: OutboundRequest, matter: Matter, found: Found, court: Court
) -> Found | None:
    """The same without what legacy disagrees with itself about; None when it gave no answer."""
    second = await _legacy(job, again, court)
    if second is None or agree(matter.exchange.control, second, matter.basis.rules):
        return found if second is not None else None  # legacy has shown that it keeps still
    judged = await _elsewhere(court, matter, examined_again, second) or found
    if any(spot.outcome is Outcome.NOISE for spot in judged.spots):
        court.rechecks.noisy(job.route, asyncio.get_running_loop().time())
    return judged


async def _legacy(job: Job, again: OutboundRequest, court: Court) -> Observation | None:
    """Legacy's second answer, None when there was none; asked as the first time, with the same credentials."""
    way = court.ways[Side.LEGACY]
    copy = way.dressed(again) if job.answered.side is Side.NEW else again
    observed = await way.ask(copy, court.limits)
    return None if isinstance(observed, Drop) or observed.failure is not None else observed


async def _written(court: Court, matter: Matter) -> Found:
    """The finding on an exchange that has its verdict. To look for secrets in it takes milliseconds.

    The comparer looks where bodies were compared: it has begun by then, and no copy of another route waits for that.
    """
    exchange = matter.exchange
    if exchange.verdict.outcome is Outcome.MATCHED:
        return await _apart(court, matter.finding)
    bodiless = replace(
        exchange, control=exchange.control._replace(body=b""), candidate=exchange.candidate._replace(body=b"")
    )
    return await _elsewhere(court, matter._replace(exchange=bodiless), written)


async def _elsewhere(court: Court, matter: Matter, work: Callable[..., Answer], *more: object) -> Answer | Finding:
    """What the comparer makes of it, else what stood before."""
    basis, exchange, now = matter
    ground, large = Ground(exchange.route, basis), matter.size >= LARGE
    try:
        return await court.comparer.ask(work, ground, exchange, now, *more, large=large)
    except ComparerLost:
        return await _apart(court, matter.finding)


async def _apart(court: Court, work: Callable[[], Answer]) -> Answer:
    return await asyncio.get_running_loop().run_in_executor(court.apart, work)


def _exchange(job: Job, control: Observation, candidate: Observation) -> Exchange:
    """What is known of it before anybody has compared."""
    return Exchange(
        route=job.route,
        request_id=job.request_id,
        stage=job.stage,
        flag_version=job.flag_version,
        authoritative=job.answered.side,
        target=job.target,
        request=job.copy,
        control=control,
        candidate=candidate,
        verdict=_GIVEN_UP,
    )
