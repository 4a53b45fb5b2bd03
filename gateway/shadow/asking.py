"""Asking the other side for a copy's sake: whether it is asked, what its answer may take, what is remembered of it."""

from __future__ import annotations

from time import monotonic
from typing import Final

from gateway.failure import Failure
from gateway.message import Observation
from gateway.shadow.court import Court
from gateway.shadow.drop import Drop
from gateway.shadow.job import Job
from gateway.shadow.way import Limits
from gateway.telemetry import log

_LATE: Final = frozenset({Failure.LEGACY_TIMEOUT, Failure.NEW_TIMEOUT})


def rests(job: Job, court: Court) -> bool:
    """Whether the other side is not asked now, because its answers to this route are never read to their end."""
    return not court.rests.sends(job.route, job.answered.side.other, monotonic())


def limits_for(job: Job, court: Court) -> Limits:
    """What an answer may take: nothing of a body where there is nothing to compare it with."""
    return Limits(court.limits.timeout_s, cap=0) if job.answered.truncated else court.limits


async def asked(job: Job, court: Court) -> Observation | Drop:
    """What the other side says, or why it was not asked."""
    way = court.ways[job.answered.side.other]
    return await way.ask(way.dressed(job.copy), limits_for(job, court), job.watch)


def note(job: Job, court: Court, came: Observation) -> None:
    """Remember whether an answer could be read to its end."""
    whole = not came.truncated and came.failure not in _LATE
    if court.rests.heard(job.route, came.side, monotonic(), whole=whole):
        log("copies_rest", route=job.route, side=came.side.value, request_id=job.request_id)
