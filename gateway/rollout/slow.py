"""From when on a request counts as slow, and how many may be: as legacy's own times of the same route say it. Pure.

Many times of legacy give its p95. Few give less: a bound that is exceeded by more than is tolerated only by a chance of
DOUBT, whatever the times are distributed like. docs/explanation/statistics.md derives it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Final

from gateway.rollout.evidence import BOUNDS_MS, Histogram
from gateway.rollout.statistics import at_most, quantile

SLOW: Final = 0.10  # of all requests may take longer than the limit that 5 % of legacy's take, doubled
ENOUGH: Final = 200  # of legacy's times, for their p95 to be a measure
FEWEST: Final = 5  # and for them to be one at all: from there on a side whose every answer is slow can be told
DOUBT: Final = 0.001  # how likely a bound is lower than the tolerated share of legacy's times, where they are few
FACTOR: Final = 2.0  # the limit above the bound
LATENCY_S: Final = 0.05  # what that is at the least
SLACKS: Final = 4  # times the route's slack, as the gate has it at the tail: what that lets through is not taken back

HANG: Final = 5.0  # times what nearly all of legacy's times are below, where uploads are no part of these times
HANG_S: Final = 1.0  # and what that is at the least
FEWEST_TO_HANG: Final = 20
NEARLY_ALL: Final = 0.99  # among thousands the slowest is an accident

NOT_KNOWN: Final = Histogram()
_KNOWN_S: Final = tuple(bound / 1000 for bound in BOUNDS_MS)


@dataclass(frozen=True, slots=True)
class Limit:
    """A request is slow after so many seconds; `tolerated` is the share of requests that may be."""

    after_s: float
    tolerated: float = SLOW


@dataclass(frozen=True, slots=True)
class Times:
    """What is known of legacy's times: `own` by this process, by bucket of `bounds_s`, `known` by evidence.

    Evidence measures from the end of a request, this process from its beginning: where `uploads` may take their time
    the two are not alike.
    """

    own: Sequence[int]
    bounds_s: Sequence[float]
    known: Histogram = NOT_KNOWN
    uploads: bool = False

    @property
    def are_few(self) -> bool:
        """Whether more would say more."""
        return sum(self.own) < ENOUGH and self.known.total < ENOUGH


def limit_of(times: Times, slack_ms: float) -> Limit | None:
    """The limit, one of the process's bounds; None where too little is known, or no bound is large enough."""
    more_s, own = max(LATENCY_S, SLACKS * slack_ms / 1000), sum(times.own)
    if own >= ENOUGH or times.known.total <= own:
        return _above(times.own, times.bounds_s, more_s, times.bounds_s)
    if not times.uploads:
        return _above(times.known.counts, _KNOWN_S, more_s, times.bounds_s)
    return _above(times.own, times.bounds_s, more_s, times.bounds_s) or _hangs(times, more_s)


def _above(counts: Sequence[int], bounds_s: Sequence[float], more_s: float, into: Sequence[float]) -> Limit | None:
    total = sum(counts)
    if total < FEWEST:
        return None
    rank, tolerated = _rank(total)
    bucket = next(at for at, seen in enumerate(accumulate(counts)) if seen >= rank)
    if bucket >= len(bounds_s):
        return None
    return _limit(max(FACTOR * bounds_s[bucket], bounds_s[bucket] + more_s), tolerated, into)


def _hangs(times: Times, more_s: float) -> Limit | None:
    bucket = quantile(times.known, NEARLY_ALL)
    if times.known.total < FEWEST_TO_HANG or bucket >= len(_KNOWN_S):
        return None
    return _limit(max(HANG * _KNOWN_S[bucket], HANG_S, more_s), SLOW, times.bounds_s)


def _limit(wanted_s: float, tolerated: float, bounds_s: Sequence[float]) -> Limit | None:
    after_s = next((bound for bound in bounds_s if bound >= wanted_s), None)
    return None if after_s is None else Limit(after_s, tolerated)


@lru_cache(maxsize=ENOUGH)
def _rank(total: int) -> tuple[float, float]:
    """Which of so many times is the bound, from the fastest on, and what share of all may be above it.

    The share of all times above the k-th slowest of n exceeds p with the probability of fewer than k hits in n.
    """
    if total >= ENOUGH:
        return total * 0.95, SLOW
    sure = [k for k in range(1, int(total * SLOW) + 1) if at_most(k - 1, total, SLOW) <= DOUBT]
    if sure:
        return total - sure[-1] + 1, SLOW
    return total, 1 - DOUBT ** (1 / total)
