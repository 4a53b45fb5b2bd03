"""Does a route go wrong on the new side? Watches errors, latency and sampled mismatches of one flag version. Pure.

It is told what has happened since the last look, and says when to take the route back; it does neither itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from itertools import accumulate
from operator import add, attrgetter, sub
from typing import Final

from gateway.rollout.evidence import BOUNDS_MS, Histogram
from gateway.rollout.sequential import Sequential
from gateway.rollout.statistics import quantile
from gateway.routing.route import Terms

SLOW: Final = 0.10  # of all requests may take longer than the limit that 5 % of legacy's take, doubled
LEGACYS_OWN: Final = 2.0  # the new side may fail so many times as often as legacy does
FEWEST_OF_LEGACY: Final = 5  # requests lately, before legacy's own errors count as a measure
REMEMBERED: Final = 0.8  # of what legacy did until the last look: its errors of now excuse, those of yesterday do not
FEWEST_TIMES: Final = 200  # of legacy, before its p95 is a measure
LATENCY_S: Final = 0.05  # what the limit is above legacy's p95, at the least
FEWEST_TO_HANG: Final = 20  # of legacy, before its slowest is one: chance is above that in one of 21, SLOW is more
NEARLY_ALL: Final = 0.99  # of what evidence has of legacy: among thousands the slowest is an accident
HANG: Final = 5.0  # times legacy's slowest
HANG_S: Final = 1.0  # and what that is at the least
MOST_TOLERATED: Final = 0.5


class Breached(StrEnum):
    """What went wrong."""

    ERRORS = "errors"
    LATENCY = "latency"
    MISMATCHES = "mismatches"


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened on the new side: requests it answered or failed, how many it failed, how many were slow.

    One that is slow already is counted before it ends.
    What legacy rescued has failed, too. `compared` and `mismatched` are of the copies; `wrong` are those mismatched
    whose answer a client had, without those that are among the failed ones. `legacy` and `legacy_failed` are what
    legacy did of the same route meanwhile.
    """

    answered: int = 0
    failed: int = 0
    slow: int = 0
    compared: int = 0
    mismatched: int = 0
    wrong: int = 0
    legacy: int = 0
    legacy_failed: int = 0

    def __add__(self, other: Seen) -> Seen:
        """Join two."""
        return Seen(*map(add, _counts(self), _counts(other)))

    def __sub__(self, other: Seen) -> Seen:
        """What was seen since the other."""
        return Seen(*map(sub, _counts(self), _counts(other)))

    @property
    def affected(self) -> int:
        """Requests of clients that are known to have gone wrong."""
        return self.failed + self.wrong


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


@dataclass(slots=True)
class Watch:
    """One route at one version of its flag; `total` is everything it was told."""

    terms: Terms
    total: Seen = _NOTHING
    _lately: tuple[float, float] = (0.0, 0.0)  # what legacy answered and failed
    _errors: Sequential = field(default_factory=Sequential)
    _slow: Sequential = field(default_factory=Sequential)
    _mismatches: Sequential = field(default_factory=Sequential)

    def saw(self, seen: Seen, slow_after_s: float | None, *, waiting: int = 0) -> Breach | None:
        """Take in what has happened since the last look; `slow_after_s` is what counts as slow, None: nothing does.

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
        if slow_after_s is not None and self._slow.saw(seen.slow, seen.answered, SLOW):
            more = f"more than {slow_after_s:g} s, {SLOW:.0%} may"
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


def slow_after(counts: Sequence[int], bounds_s: Sequence[float], *, known_s: float | None = None) -> float | None:
    """The bound above which a request counts as slow: twice legacy's p95, and LATENCY_S above it at the least.

    `counts` are legacy's times by bucket. While they are few it is HANG times the slowest, which tells a side that
    hangs; while they are fewer still the slowest is `known_s`, as somebody else has seen it. None where nobody has, or
    no bound is large enough.
    """
    total = sum(counts)
    if total < FEWEST_TO_HANG:
        return None if known_s is None else _at_least(max(HANG * known_s, HANG_S), bounds_s)
    rank = total * 0.95 if total >= FEWEST_TIMES else total
    bucket = next(at for at, seen in enumerate(accumulate(counts)) if seen >= rank)
    if bucket >= len(bounds_s):
        return None
    if total < FEWEST_TIMES:
        return _at_least(max(HANG * bounds_s[bucket], HANG_S), bounds_s)
    return _at_least(max(2 * bounds_s[bucket], bounds_s[bucket] + LATENCY_S), bounds_s)


def slowest_s(times: Histogram) -> float | None:
    """What nearly all of legacy's times are below, in seconds; None while they are few, or no bound is above them."""
    bucket = quantile(times, NEARLY_ALL)
    return None if times.total < FEWEST_TO_HANG or bucket >= len(BOUNDS_MS) else BOUNDS_MS[bucket] / 1000


def _at_least(limit_s: float, bounds_s: Sequence[float]) -> float | None:
    return next((bound for bound in bounds_s if bound >= limit_s), None)
