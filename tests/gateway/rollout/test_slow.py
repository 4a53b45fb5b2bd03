"""From when on a request is slow: what many of legacy's times say, what few do, and how rarely either is wrong."""

from __future__ import annotations

import random
from bisect import bisect_left

import pytest

from gateway.rollout.breach import Seen, Watch
from gateway.rollout.evidence import Histogram
from gateway.rollout.slow import DOUBT, ENOUGH, FEWEST, NOT_KNOWN, SLOW, Limit, Times, limit_of
from gateway.rollout.statistics import at_most
from gateway.routing.route import Terms

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
MANY = Histogram.of([4.0] * 500)


def buckets(*times_s: float) -> tuple[int, ...]:
    """Times as a process counts them."""
    counts = [0] * (len(BOUNDS) + 1)
    for each in times_s:
        counts[bisect_left(BOUNDS, each)] += 1
    return tuple(counts)


def after(own: tuple[float, ...], known: Histogram = NOT_KNOWN, *, uploads: bool = False) -> Limit | None:
    """The limit by these times."""
    return limit_of(Times(buckets(*own), BOUNDS, known, uploads), 5.0)


def test_the_limit_is_well_above_legacys_p95() -> None:
    """Twice the p95 and 50 ms at the least, rounded up to a bound; none beyond the bounds."""
    assert after((0.004,) * 190 + (0.25,) * 10) == Limit(0.1)
    assert after((0.1,) * 200) == Limit(0.25)
    assert after((1.0,) * 200) == Limit(2.5)
    assert after((2.0,) * 200) is None
    assert after((5.0,) * 200) is None


def test_what_the_gate_lets_through_is_not_taken_back() -> None:
    """A route whose slack is 200 ms may be 800 ms slower at the tail: that is what its gate asks for."""
    own = Times(buckets(*(0.004,) * 200), BOUNDS)
    assert limit_of(own, 20.0) == Limit(0.1)
    assert limit_of(own, 200.0) == Limit(1.0)


def test_few_times_of_legacy_tolerate_more() -> None:
    """The bound is the slowest, and the share that may be above it is what so few cannot rule out."""
    assert after((0.004,) * (FEWEST - 1)) is None
    limit = after((0.004,) * 20)
    assert limit is not None
    assert (limit.after_s, round(limit.tolerated, 3)) == (0.1, round(1 - DOUBT ** (1 / 20), 3))
    assert after((0.004,) * 19 + (0.2,)) == Limit(0.5, limit.tolerated)
    tolerated = [found.tolerated for count in range(FEWEST, ENOUGH + 1) if (found := after((0.004,) * count))]
    assert tolerated == sorted(tolerated, reverse=True)
    assert (tolerated[65], tolerated[-1]) == (SLOW, SLOW)


def test_one_accident_of_many_is_no_bound() -> None:
    """From a hundred times on the slowest does not excuse a side that is ten times as slow."""
    assert after((0.004,) * 99 + (1.0,)) == Limit(0.1)
    assert at_most(1, 100, SLOW) <= DOUBT


def test_evidence_stands_in_for_what_this_process_has_not_seen() -> None:
    """Whoever knows more says it; from ENOUGH on the process's own times do."""
    assert after((), MANY) == Limit(0.1)
    assert after((0.2,) * 30, MANY) == Limit(0.1)
    assert after((0.2,) * ENOUGH, MANY) == Limit(0.5)
    assert after((0.2,) * 30, Histogram.of([4.0] * 20)) == Limit(0.5, 1 - DOUBT ** (1 / 30))


def test_evidence_knows_of_uploads_only_what_tells_a_side_that_hangs() -> None:
    """It measures from the end of a request: a client that sends for half a second is not the new side's fault."""
    assert after((), MANY, uploads=True) == Limit(1.0)
    assert after((), Histogram.of([300.0] * 500), uploads=True) == Limit(2.5)
    assert after((), Histogram.of([4.0] * 19), uploads=True) is None
    assert after((0.004,) * 30, MANY, uploads=True) == Limit(0.1, 1 - DOUBT ** (1 / 30))
    assert after((), Histogram.of([4.0] * 999 + [30_000.0]), uploads=True) == Limit(1.0)
    assert after((), Histogram.of([100_000.0] * 50), uploads=True) is None


@pytest.mark.parametrize("known", [5, 20, 60, 100, 199])
def test_two_sides_that_are_alike_raise_no_alarm(known: int) -> None:
    """A thousand routes, times with a heavy tail (the slowest of 1,000 takes 60 times the median), few known: quiet."""
    dice, alarms = random.Random(known), 0
    for _ in range(1_000):
        limit = limit_of(Times(buckets(*(0.05 * dice.paretovariate(1.5) for _ in range(known))), BOUNDS), 0.0)
        watch = Watch(Terms())
        for _ in range(40):
            slow = sum(0.05 * dice.paretovariate(1.5) > limit.after_s for _ in range(10)) if limit else 0
            alarms += watch.saw(Seen(answered=10, slow=slow), limit) is not None
    assert alarms == 0


@pytest.mark.parametrize(("known", "most"), [(5, 120), (10, 40), (20, 20), (66, 16)])
def test_a_side_that_is_always_slow_is_seen_within_so_many_requests(known: int, most: int) -> None:
    """The fewer times of legacy are known, the more of the new side's it takes."""
    limit, watch = after((0.004,) * known), Watch(Terms())
    assert any(watch.saw(Seen(answered=1, slow=1), limit) for _ in range(most))
