"""Legacy is asked again about a mismatch, until it has shown that this is noise or was asked often enough.

It knows how often and when legacy is asked, and neither how answers are compared nor how they are asked for.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from gateway.diff.agreement import agree
from gateway.diff.verdict import Outcome, Verdict
from gateway.message import Observation, OutboundRequest, Side
from gateway.shadow.court import Court
from gateway.shadow.examining import Matter, because, examined_again
from gateway.shadow.finding import Found
from gateway.shadow.job import Job
from gateway.shadow.pauses import Later
from gateway.shadow.recheck import may_have_ticked
from gateway.shadow.repute import RESTLESS
from gateway.telemetry import count

NOT_AGAIN: Final = "legacy could not be asked again"
SPARED: Final = "legacy was not asked again, to spare it, and disagrees with itself now and then: this may be noise"
PATIENCE: Final = 10  # pauses until legacy may be asked

_SPARED: Final = Verdict(Outcome.NOT_COMPARABLE, reason=SPARED)


@dataclass(slots=True)
class Inquiry:
    """A mismatch, what is known of it so far, and legacy's further answers as far as they were others than its first.

    `ticked`: whatever clock lies between the new side's answer and legacy's further ones has ticked by now, or between
    legacy's own. `pauses` were made so far.
    """

    job: Job
    question: OutboundRequest
    matter: Matter
    found: Found
    asked: int = 0
    ticked: bool = field(init=False)
    pauses: int = 0
    others: list[Observation] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Where legacy was asked before the new side, a tick between shows in its second answer."""
        self.ticked = self.job.answered.side is Side.LEGACY

    @property
    def held(self) -> int:
        """Bytes that it holds beside its job."""
        return self.matter.size + sum(len(other.body) for other in self.others)


async def inquire(inquiry: Inquiry, court: Court) -> Found | Later:
    """What a mismatch becomes, or the work that is left: nobody waits in a lane."""
    court.rechecks.begin(inquiry.job.route, _now())
    return await _ask_on(inquiry, court)


async def _ask_on(inquiry: Inquiry, court: Court) -> Found | Later:
    later: Later | None = None
    try:
        while inquiry.found.outcome is Outcome.MISMATCHED and inquiry.asked < _most(inquiry, court):
            if not _may_ask(inquiry, court):
                later = _later(inquiry, court)
                return later or await _as_it_stands(inquiry, court)
            if not await _ask(inquiry, court):
                count("shadow_recheck.failed")
                return await court.on_thread(partial(because, inquiry.found, NOT_AGAIN))
        count(f"shadow_recheck.{'noise' if inquiry.found.outcome is Outcome.NOISE else 'confirmed'}")
        court.repute.learn(inquiry.job.route, inquiry.found.spots, _now())
        return inquiry.found
    finally:
        if later is None:
            noisy = any(spot.outcome is Outcome.NOISE for spot in inquiry.found.spots)
            court.rechecks.end(inquiry.job.route, _now(), noisy=noisy)


def _most(inquiry: Inquiry, court: Court) -> int:
    """How often to ask at most: once more where the new side was asked first, for a clock's sake."""
    if sum(len(other.body) for other in inquiry.others) > court.limits.cap:
        return inquiry.asked  # each of them is compared again with each answer more
    most = court.repute.questions(inquiry.job.route, inquiry.found.spots, _now())
    return max(most, 2) if inquiry.job.answered.side is Side.NEW else most


def _may_ask(inquiry: Inquiry, court: Court) -> bool:
    """Whether this is the time for the next question."""
    if inquiry.asked and not inquiry.ticked:
        return False
    return court.rechecks.may_ask(inquiry.job.route, _now(), first=not inquiry.asked)


async def _ask(inquiry: Inquiry, court: Court) -> bool:
    """Ask once more, and judge by all that legacy has said; False where it has not answered."""
    matter = inquiry.matter
    answer = await court.legacy(inquiry.job, inquiry.question)
    inquiry.asked += 1
    if answer is None:
        return False
    if agree(matter.exchange.control, answer, matter.basis.rules):
        return True  # legacy has shown that it keeps still
    inquiry.others.append(answer)
    inquiry.found = await court.elsewhere(matter, examined_again, *inquiry.others) or inquiry.found
    return True


def _later(inquiry: Inquiry, court: Court) -> Later | None:
    """The work that is left after a pause; None where there is no room for one, or where it would change nothing."""

    async def go_on() -> Found | Later:
        inquiry.ticked = True
        return await _ask_on(inquiry, court)

    waits_for_clock = inquiry.asked and not inquiry.ticked
    if not waits_for_clock and (inquiry.pauses == PATIENCE or not _may_be_noise(inquiry, court)):
        return None
    inquiry.pauses += 1
    return court.pauses.later(go_on, inquiry.held)


def _may_be_noise(inquiry: Inquiry, court: Court) -> bool:
    """Whether legacy may disagree with itself about what is mismatched, by what was seen of it before."""
    route, now = inquiry.job.route, _now()
    if inquiry.asked:
        return court.repute.questions(route, inquiry.found.spots, now) == RESTLESS
    return court.rechecks.may_be_noise(route, now)


async def _as_it_stands(inquiry: Inquiry, court: Court) -> Found:
    """What is left where legacy is spared: a mismatch, unless it may be noise, or a clock that has ticked."""
    matter = inquiry.matter
    count("shadow_recheck.too_often")
    if _may_be_noise(inquiry, court) or await court.on_thread(partial(_may_have_ticked, inquiry)):
        return await court.written(matter.judged(_SPARED))
    return inquiry.found


def _may_have_ticked(inquiry: Inquiry) -> bool:
    return may_have_ticked(inquiry.found.opened().verdict, inquiry.matter.now)


def _now() -> float:
    return asyncio.get_running_loop().time()
