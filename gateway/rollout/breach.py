"""Does a route go wrong on the new side? Watches errors, latency and sampled mismatches of one flag version. Pure.

It is told what has happened since the last look, and says when to take the route back; it does neither itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate
from typing import Final

from gateway.rollout.sequential import Sequential
from gateway.routing.route import Terms

SLOW: Final = 0.10  # of all requests may take longer than the limit that 5 % of legacy's take, doubled
LEGACYS_OWN: Final = 2.0  # the new side may fail so many times as often as legacy does
FEWEST_OF_LEGACY: Final = 20  # requests, before legacy's own errors count as a measure
FEWEST_TIMES: Final = 200  # of legacy, before anything is said about latency
LATENCY_S: Final = 0.05  # what the limit is above legacy's p95, at the least
MOST_TOLERATED: Final = 0.5


class Breached(StrEnum):
    """What went wrong."""

    ERRORS = "errors"
    LATENCY = "latency"
    MISMATCHES = "mismatches"


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened on the new side: requests it answered or failed, how many it failed, how many were slow.

    `compared` and `mismatched` are of the copies; `wrong` are those mismatched whose answer a client had, without those
    that are among the failed ones.
    """

    answered: int = 0
    failed: int = 0
    slow: int = 0
    compared: int = 0
    mismatched: int = 0
    wrong: int = 0

    def __add__(self, other: Seen) -> Seen:
        """Join two."""
        return Seen(
            self.answered + other.answered,
            self.failed + other.failed,
            self.slow + other.slow,
            self.compared + other.compared,
            self.mismatched + other.mismatched,
            self.wrong + other.wrong,
        )

    @property
    def affected(self) -> int:
        """Requests of clients that are known to have gone wrong."""
        return self.failed + self.wrong


@dataclass(frozen=True, slots=True)
class Baseline:
    """How legacy does: what it answered or failed on this route, and the limit in seconds that counts as slow."""

    answered: int = 0
    failed: int = 0
    slow_after_s: float | None = None

    def tolerated_errors(self, terms: Terms) -> float:
        """The share that the new side may fail."""
        own = self.failed / self.answered if self.answered >= FEWEST_OF_LEGACY else 0.0
        return min(MOST_TOLERATED, max(terms.errors, LEGACYS_OWN * own))


@dataclass(frozen=True, slots=True)
class Breach:
    """Why a route is taken back, and what was seen until then."""

    what: Breached
    sentence: str
    seen: Seen


@dataclass(slots=True)
class Watch:
    """One route at one version of its flag; `total` is everything it was told."""

    terms: Terms
    total: Seen = Seen()
    _errors: Sequential = field(default_factory=Sequential)
    _slow: Sequential = field(default_factory=Sequential)
    _mismatches: Sequential = field(default_factory=Sequential)

    def saw(self, seen: Seen, legacy: Baseline) -> Breach | None:
        """Take in what has happened since the last look; `legacy` is what was known before that."""
        self.total = total = self.total + seen
        errors = legacy.tolerated_errors(self.terms)
        if self._errors.saw(seen.failed, seen.answered, errors):
            sentence = f"the new side failed {total.failed} of {total.answered} requests, {errors:.2%} may fail"
            return Breach(Breached.ERRORS, sentence, total)
        if self._mismatches.saw(seen.mismatched, seen.compared, self.terms.target):
            sentence = (
                f"{total.mismatched} of {total.compared} compared requests mismatched, {self.terms.target:.2%} may"
            )
            return Breach(Breached.MISMATCHES, sentence, total)
        if legacy.slow_after_s is not None and self._slow.saw(seen.slow, seen.answered, SLOW):
            sentence = (
                f"{total.slow} of {total.answered} requests took the new side more than {legacy.slow_after_s:g} s, "
                f"{SLOW:.0%} may"
            )
            return Breach(Breached.LATENCY, sentence, total)
        return None


def slow_after(counts: Sequence[int], bounds_s: Sequence[float]) -> float | None:
    """The bound above which a request counts as slow: twice legacy's p95, and LATENCY_S above it at the least.

    `counts` are legacy's times by bucket. None while there are too few, or no bound is large enough.
    """
    total = sum(counts)
    if total < FEWEST_TIMES:
        return None
    bucket = next(at for at, seen in enumerate(accumulate(counts)) if seen >= total * 0.95)
    if bucket >= len(bounds_s):
        return None
    limit = max(2 * bounds_s[bucket], bounds_s[bucket] + LATENCY_S)
    return next((bound for bound in bounds_s if bound >= limit), None)
