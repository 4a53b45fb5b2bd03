"""One copy from its sending to its finding: the other side is asked, both answers compared, legacy perhaps asked again.

It knows no queue and no store. Whatever is not surely equal is compared in another process: this one serves clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Final, NamedTuple, TypeVar

from gateway.diff.agreement import agree
from gateway.diff.body import same_bytes
from gateway.diff.compare import compare
from gateway.diff.noise import judge_again
from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome, Verdict
from gateway.failure import Failure
from gateway.message import Observation, OutboundRequest, Side
from gateway.shadow.comparer import Comparer, ComparerLost
from gateway.shadow.drop import Drop
from gateway.shadow.finding import Finding
from gateway.shadow.job import Job
from gateway.shadow.recheck import Question, nothing_to_compare, question, unconditional, with_reason
from gateway.shadow.record import Exchange, Recorder, finding_of
from gateway.shadow.rests import Rests
from gateway.shadow.way import Limits, Way
from gateway.telemetry import count, log

SHORT: Final = 512  # bytes of a target that are redacted without a thread
TICK_S: Final = 1.05  # after so long a clock of whole seconds shows another time
UNCONDITIONAL: Final = "legacy was asked again without the client's validators"
GIVEN_UP: Final = "the comparison was given up: it took too long, or its process ended"
NOT_AGAIN: Final = "legacy could not be asked again"

_MATCHED: Final = Verdict(Outcome.MATCHED)
_LATE: Final = frozenset({Failure.LEGACY_TIMEOUT, Failure.NEW_TIMEOUT})

Answer = TypeVar("Answer")


class Judged(NamedTuple):
    """Both answers, legacy's and new's, and the verdict on them."""

    control: Observation
    candidate: Observation
    verdict: Verdict


class Pauses:
    """So many rechecks may wait for a clock to tick at once; the others are made without."""

    def __init__(self, most: int, tick_s: float = TICK_S) -> None:
        self._left, self._tick_s = most, tick_s

    async def pause(self) -> None:
        """Let a clock tick: where legacy was asked after the new side, a clock may have ticked between the two."""
        if self._left <= 0:
            return
        self._left -= 1
        try:
            await asyncio.sleep(self._tick_s)
        finally:
            self._left += 1


@dataclass(frozen=True, slots=True)
class Court:
    """What every copy is judged with. `apart` runs what may take a while, `comparer` what may take long."""

    ways: Mapping[Side, Way]
    rules: Callable[[str], Rules]
    limits: Limits
    apart: Executor
    pauses: Pauses
    recorder: Recorder
    comparer: Comparer
    rests: Rests


async def finding_on(job: Job, court: Court) -> Finding | Drop:
    """Ask the other side, compare, and ask legacy again where that tells noise from a mismatch."""
    observed = await _asked(job, court)
    if isinstance(observed, Drop):
        return observed
    await asyncio.sleep(0)  # clients' news first: what follows takes as long as serving one of them
    now, answered, rules = datetime.now(UTC), job.answered, court.rules(job.route)
    control, candidate = (observed, answered) if observed.side is Side.LEGACY else (answered, observed)
    if agree(control, candidate, rules) and len(job.target) <= SHORT:
        return court.recorder.finding(_exchange(job, Judged(control, candidate, _MATCHED)), rules, now)
    comparing = partial(compare, control, candidate, rules, today=now.date())
    if same_bytes(control, candidate) or not (_has_body(control) and _has_body(candidate)):
        judged = Judged(control, candidate, comparing())
    else:  # a document of 1 KiB may need a table of a hundred milliseconds
        judged = Judged(control, candidate, await compared(court, comparing))
    judged = await _rechecked(job, judged, rules, court)
    return await _written(court, _exchange(job, judged), rules, now)


async def _asked(job: Job, court: Court) -> Observation | Drop:
    """What the other side says, or why it was not asked."""
    side, now = job.answered.side.other, asyncio.get_running_loop().time
    if not court.rests.sends(job.route, side, now()):
        return Drop.RESTING
    way, limits = court.ways[side], court.limits
    if job.answered.truncated:
        limits = Limits(limits.timeout_s, cap=0)  # there is nothing to compare a body with
    observed = await way.ask(way.dressed(job.copy), limits, job.watch)
    if isinstance(observed, Observation):
        whole = not observed.truncated and observed.failure not in _LATE
        if court.rests.heard(job.route, side, now(), whole=whole):
            log("copies_rest", route=job.route, side=side.value)
    return observed


def _has_body(one: Observation) -> bool:
    """Whether there is a body that somebody may have to read."""
    return one.failure is None and not one.truncated


async def _rechecked(job: Job, judged: Judged, rules: Rules, court: Court) -> Judged:
    """The same, or what it has become after legacy was asked again."""
    wanted = question(job.copy, *judged, answered=job.answered.side)
    if wanted is Question.NOTHING or job.again is None or Side.LEGACY not in court.ways:
        return judged
    if wanted is Question.NONE_LEFT:
        return judged._replace(verdict=nothing_to_compare(*judged[:2]))
    again = job.again()
    if wanted is Question.WHOLE:
        again = unconditional(again)
        whole = await _legacy(job, again, court)
        if whole is None:
            return judged._replace(verdict=nothing_to_compare(*judged[:2]))
        verdict = await compared(court, partial(compare, whole, judged.candidate, rules, today=_today()))
        judged = Judged(whole, judged.candidate, with_reason(verdict, UNCONDITIONAL))
        if verdict.outcome is not Outcome.MISMATCHED:
            return judged
    return await _asked_again(job, again, judged, rules, court)


async def _asked_again(job: Job, again: OutboundRequest, judged: Judged, rules: Rules, court: Court) -> Judged:
    control, candidate, verdict = judged
    if job.answered.side is Side.NEW:
        await court.pauses.pause()
    second = await _legacy(job, again, court)
    if second is None:
        count("shadow_recheck.failed")
        return judged._replace(verdict=with_reason(verdict, NOT_AGAIN))
    judging = partial(judge_again, verdict, control, second, candidate, rules, today=_today())
    verdict = await compared(court, judging)
    count(f"shadow_recheck.{'noise' if verdict.outcome is Outcome.NOISE else 'confirmed'}")
    return judged._replace(verdict=verdict)


async def _legacy(job: Job, again: OutboundRequest, court: Court) -> Observation | None:
    """Legacy's second answer, None when there was none; asked as the first time, with the same credentials."""
    way = court.ways[Side.LEGACY]
    copy = way.dressed(again) if job.answered.side is Side.NEW else again
    observed = await way.ask(copy, court.limits)
    return None if isinstance(observed, Drop) or observed.failure is not None else observed


async def compared(court: Court, comparing: Callable[[], Verdict]) -> Verdict:
    """The verdict of a comparison that may take long; what it is given and what it gives must be picklable."""
    try:
        return await _apart(court, partial(court.comparer.run, comparing))
    except ComparerLost:
        return Verdict(Outcome.NOT_COMPARABLE, reason=GIVEN_UP)


async def _apart(court: Court, work: Callable[[], Answer]) -> Answer:
    return await asyncio.get_running_loop().run_in_executor(court.apart, work)


def _today() -> date:
    return datetime.now(UTC).date()


async def _written(court: Court, exchange: Exchange, rules: Rules, now: datetime) -> Finding:
    """The finding on an exchange in which secrets may stand anywhere: to look for them takes milliseconds.

    Where bodies were compared the comparer looks, which has seen them before; else there is little but the request.
    """
    basis = court.recorder.basis(exchange.route, rules)
    unread = not (_has_body(exchange.control) and _has_body(exchange.candidate))
    if unread or exchange.verdict.outcome is Outcome.MATCHED:
        return await _apart(court, partial(finding_of, exchange, basis, now))
    bodiless = replace(
        exchange, control=exchange.control._replace(body=b""), candidate=exchange.candidate._replace(body=b"")
    )
    writing = partial(finding_of, bodiless, basis, now)
    try:
        return await _apart(court, partial(court.comparer.run, writing))
    except ComparerLost:
        return await _apart(court, writing)


def _exchange(job: Job, judged: Judged) -> Exchange:
    return Exchange(
        route=job.route,
        request_id=job.request_id,
        stage=job.stage,
        flag_version=job.flag_version,
        authoritative=job.answered.side,
        target=job.target,
        request=job.copy,
        control=judged.control,
        candidate=judged.candidate,
        verdict=judged.verdict,
    )
