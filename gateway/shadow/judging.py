"""From both answers to a finding: compared at a glance or by whoever may take long, legacy perhaps asked again.

It knows no queue and no store. Whatever is not surely equal is compared in another process: this one serves clients.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from gateway.diff.agreement import agree
from gateway.diff.body import same_bytes
from gateway.diff.compare import compare
from gateway.diff.verdict import Outcome, Verdict
from gateway.message import Observation, OutboundRequest, Side
from gateway.shadow.court import GIVEN_UP, Court
from gateway.shadow.drop import Drop
from gateway.shadow.examining import Matter, because, examine, examined
from gateway.shadow.finding import Found, Matched
from gateway.shadow.inquiry import Inquiry, inquire
from gateway.shadow.job import Job
from gateway.shadow.pauses import Later
from gateway.shadow.recheck import Question, nothing_to_compare, question, unconditional
from gateway.shadow.record import Exchange
from gateway.shadow.stratum import stratum_of
from gateway.telemetry import count

UNCONDITIONAL: Final = "legacy was asked again without the client's validators"

_GIVEN_UP: Final = Verdict(Outcome.NOT_COMPARABLE, reason=GIVEN_UP)


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


async def judged(job: Job, court: Court, matter: Matter) -> Found | Drop | Later:
    """Compare, and ask legacy again where that tells noise from a mismatch."""
    return await _rechecked(job, matter, await _examined(court, matter), court)


def _has_body(one: Observation) -> bool:
    """Whether there is a body that somebody may have to read."""
    return one.failure is None and not one.truncated


async def _examined(court: Court, matter: Matter) -> Found:
    """The finding on two answers, as far as they tell."""
    control, candidate = matter.exchange.control, matter.exchange.candidate
    if not (_has_body(control) and _has_body(candidate)):
        return await court.on_thread(partial(examine, matter))  # there is little but the request
    if same_bytes(control, candidate):
        verdict = compare(control, candidate, matter.basis.rules, today=matter.now.date())
        return await court.written(matter.judged(verdict))
    return await court.elsewhere(matter, examined)


async def _rechecked(job: Job, matter: Matter, found: Found, court: Court) -> Found | Drop | Later:
    """The same, or what it has become after legacy was asked again; or why nothing was compared."""
    control, candidate = matter.exchange.control, matter.exchange.candidate
    wanted = question(job.copy, control, candidate, found.outcome, answered=job.answered.side)
    if wanted is Question.NOTHING or job.again is None or Side.LEGACY not in court.ways:
        return found
    if wanted is Question.NONE_LEFT:
        return await court.written(matter.judged(nothing_to_compare(control, candidate)))
    if wanted is Question.AGAIN:
        return await inquire(Inquiry(job, job.again(), matter, found), court)
    return await _whole(job, unconditional(job.again()), matter, court)


async def _whole(job: Job, again: OutboundRequest, matter: Matter, court: Court) -> Found | Drop | Later:
    """What legacy's whole answer shows where its first one was about the client's copy only."""
    if not court.rechecks.may_ask(job.route, asyncio.get_running_loop().time(), first=True):
        count("shadow_recheck.too_often")
        return Drop.SPARED
    whole = await court.legacy(job, again)
    if whole is None:
        unasked = nothing_to_compare(matter.exchange.control, matter.exchange.candidate)
        return await court.written(matter.judged(unasked))
    matter = matter._replace(exchange=replace(matter.exchange, control=whole))
    found = await court.on_thread(partial(because, await _examined(court, matter), UNCONDITIONAL))
    return await inquire(Inquiry(job, again, matter, found), court) if found.outcome is Outcome.MISMATCHED else found


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
