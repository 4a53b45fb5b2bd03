"""Does a route go wrong on the new side? Watches errors, latency and sampled mismatches of one flag version. Pure.

It is told what has happened since the last look, and says when to take the route back; it does neither itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from operator import add, attrgetter, sub
from typing import Final

from gateway.rollout.sequential import Sequential
from gateway.rollout.slow import Limit
from gateway.routing.route import Terms

LEGACYS_OWN: Final = 2.0  # the new side may fail so many times as often as legacy does
FEWEST_OF_LEGACY: Final = 5  # requests lately, before legacy's own errors count as a measure
REMEMBERED: Final = 0.8  # of what legacy did until the last look: its errors of now excuse, those of yesterday do not
MOST_TOLERATED: Final = 0.5


class Breached(StrEnum):
    """What went wrong."""

    ERRORS = "errors"
    LATENCY = "latency"
    MISMATCHES = "mismatches"


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened on the new side: requests it answered or failed, how many it failed, how many were slow.

    One that is slow already is counted before it ends. `late` are those of the slow ones with which nothing else is
    known to be wrong. What legacy `rescued` has failed, too, though its client was served. `compared` and `mismatched`
    are of the copies; `wrong` are those mismatched whose answer a client had, without those that are among the failed
    ones. `legacy` and `legacy_failed` are what legacy did of the same route meanwhile.
    """

    answered: int = 0
    failed: int = 0
    slow: int = 0
    compared: int = 0
    mismatched: int = 0
    wrong: int = 0
    legacy: int = 0
    legacy_failed: int = 0
    late: int = 0
    rescued: int = 0

    def __add__(self, other: Seen) -> Seen:
        """Join two."""
        return Seen(*map(add, _counts(self), _counts(other)))

    def __sub__(self, other: Seen) -> Seen:
        """What was seen since the other."""
        return Seen(*map(sub, _counts(self), _counts(other)))

    def affected(self, what: Breached) -> int:
        """Requests of clients that are known to have gone wrong; each counts once.

        A late answer is wrong where latency is what the route is taken back for: on other days some are slow as well.
        """
        late = self.late if what is Breached.LATENCY else 0
        return max(0, self.failed - self.rescued + self.wrong + late)


_NOTHING: Final = Seen()
_counts: Final = attrgetter(
    *(each.name for each in fields(Seen))
)  # astuple copies deeply, which takes ten times as long


@dataclass(frozen=True, slots=True)
class Breach:
    """Why a route is taken back, and what was seen until then."""

    what: Breached
    sentence: str
    seen: Seen

    @property
    def affected(self) -> int:
        """How many requests are known to have gone wrong until then."""
        return self.seen.affected(self.what)


@dataclass(slots=True)
class Watch:
    """One route at one version of its flag; `total` is everything it was told."""

    terms: Terms
    total: Seen = _NOTHING
    _lately: tuple[float, float] = (0.0, 0.0)  # what legacy answered and failed
    _errors: Sequential = field(default_factory=Sequential)
    _slow: Sequential = field(default_factory=Sequential)
    _mismatches: Sequential = field(default_factory=Sequential)

    def saw(self, seen: Seen, slow: Limit | None, *, waiting: int = 0) -> Breach | None:
        """Take in what has happened since the last look; `slow` says what counts as that, None: nothing does.

        `waiting`: so many of those that were slow have no answer yet.
        """
        self.total = total = self.total + seen
        errors = self._tolerated_errors(seen)
        # what legacy rescued is heard of a moment after the request has ended
        if self._errors.saw(seen.failed, max(seen.failed, seen.answered), errors):
            sentence = f"the new side failed {total.failed} of {total.answered} requests, {errors:.2%} may fail"
            return Breach(Breached.ERRORS, sentence, total)
        if self._mismatches.saw(seen.mismatched, seen.compared, self.terms.target):
            may = f"{self.terms.target:.2%} may"
            sentence = f"{total.mismatched} of {total.compared} compared requests mismatched, {may}"
            return Breach(Breached.MISMATCHES, sentence, total)
        if slow is not None and self._slow.saw(seen.slow, seen.answered, slow.tolerated):
            more = f"more than {slow.after_s:g} s, {slow.tolerated:.0%} may"
            sentence = f"{total.slow} of {total.answered} requests took the new side {more}"
            sentence += f"; {waiting} of them still wait" if waiting else ""
            return Breach(Breached.LATENCY, sentence, total)
        return None

    def _tolerated_errors(self, seen: Seen) -> float:
        """The share that the new side may fail: more while legacy fails as well, going back would help nobody."""
        answered, failed = (
            REMEMBERED * before + now
            for before, now in zip(self._lately, (seen.legacy, seen.legacy_failed), strict=True)
        )
        self._lately = answered, failed
        own = failed / answered if answered >= FEWEST_OF_LEGACY else 0.0
        return min(MOST_TOLERATED, max(self.terms.errors, LEGACYS_OWN * own))
