"""The gate's statistics against published tables, against sums made the slow way, and against what must always hold."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rollout.evidence import BOUNDS_MS, BUCKETS, Histogram
from gateway.rollout.statistics import (
    at_least,
    at_most,
    more_hits,
    quantile,
    samples_for,
    slower,
    stretched,
    upper_bound,
)


def slowly_at_most(hits: int, samples: int, share: Fraction) -> Fraction:
    """The binomial sum, exactly."""
    return sum((comb(samples, k) * share**k * (1 - share) ** (samples - k) for k in range(hits + 1)), start=Fraction(0))


def slowly_more_hits(hits: int, samples: int, others: int, of_others: int) -> Fraction:
    """The hypergeometric tail, exactly."""
    total = hits + others
    ways = sum(comb(samples, k) * comb(of_others, total - k) for k in range(hits, min(samples, total) + 1))
    return Fraction(ways, comb(samples + of_others, total))


@pytest.mark.parametrize(
    ("hits", "samples", "bound"),
    # hits 0: 1 - 0.05 ** (1 / n); the rest: the upper end of the exact two-sided 90 % interval, as tables print it
    [(0, 1, 0.95), (0, 10, 0.258866), (0, 2995, 0.000999744), (1, 10, 0.394163), (5, 10, 0.777559), (3, 10, 0.606624)],
)
def test_the_bound_is_the_one_of_the_tables(hits: int, samples: int, bound: float) -> None:
    """Clopper and Pearson's bound agrees with published values to six digits."""
    assert upper_bound(hits, samples) == pytest.approx(bound, abs=5e-7)


def test_2995_clean_samples_and_no_fewer_prove_a_tenth_of_a_percent() -> None:
    """The number that issue and documents name is the number that is computed."""
    assert samples_for(0, 0.001) == 2995
    assert upper_bound(0, 2995) <= 0.001 < upper_bound(0, 2994)


@given(st.integers(0, 40), st.integers(1, 60), st.integers(1, 99))
@settings(max_examples=200, deadline=None)
def test_a_binomial_probability_is_the_sum_it_stands_for(hits: int, more: int, percent: int) -> None:
    """The continued fraction gives what adding up gives."""
    share = Fraction(percent, 100)
    exact = slowly_at_most(hits, hits + more, share)
    assert at_most(hits, hits + more, float(share)) == pytest.approx(float(exact), rel=1e-9, abs=1e-14)


def test_so_many_or_more_is_what_fewer_leave() -> None:
    """Six or more of sixty at 1 %: the binomial sum from the other end; none or more is certain."""
    exact = 1 - slowly_at_most(5, 60, Fraction(1, 100))
    assert at_least(6, 60, 0.01) == pytest.approx(float(exact), rel=1e-6)
    assert at_least(0, 60, 0.01) == at_least(0, 0, 0.01) == 1.0


@given(st.integers(0, 300), st.integers(0, 100_000))
@settings(max_examples=100, deadline=None)
def test_a_bound_grows_with_hits_and_falls_with_samples(hits: int, clean: int) -> None:
    """One more mismatch never helps, one more clean sample never hurts, and the bound lies above what was seen."""
    samples = hits + clean
    bound = upper_bound(hits, samples) if samples else 1.0
    assert hits / max(1, samples) <= bound <= 1
    assert upper_bound(hits, samples + 1) <= bound
    assert upper_bound(hits + 1, samples + 1) >= bound


@given(st.integers(0, 50), st.sampled_from([0.0001, 0.001, 0.01, 0.2]))
@settings(max_examples=60, deadline=None)
def test_the_needed_samples_are_exactly_enough(hits: int, share: float) -> None:
    """With so many the bound holds, with one fewer it does not."""
    needed = samples_for(hits, share)
    assert upper_bound(hits, needed) <= share * (1 + 1e-9)
    assert upper_bound(hits, needed - 1) > share * (1 - 1e-9)


def test_fisher_agrees_with_the_lady_tasting_tea() -> None:
    """Three of four cups right by chance: 17 in 70 (Fisher 1935)."""
    assert more_hits(3, 4, 1, 4) == pytest.approx(17 / 70)
    assert more_hits(4, 4, 0, 4) == pytest.approx(1 / 70)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
@settings(max_examples=200, deadline=None)
def test_fisher_is_the_hypergeometric_tail(hits: int, missed: int, others: int, others_missed: int) -> None:
    """Where our share is the larger one, the p-value is the exact sum; elsewhere it is 1."""
    samples, of_others = hits + missed, others + others_missed
    found = more_hits(hits, samples, others, of_others)
    if hits * of_others > others * samples:
        assert found == pytest.approx(float(slowly_more_hits(hits, samples, others, of_others)), rel=1e-9)
    else:
        assert found == 1.0


def test_mann_whitney_agrees_with_a_worked_example() -> None:
    """By hand: U = 23, mean 32, variance 64/12 (17 - 180/240) for the ties, so z = -9.5 / 9.309 = -1.0205."""
    ours, others = Histogram.of([7, 3, 6, 2, 4, 3, 5, 5]), Histogram.of([3, 5, 6, 4, 6, 5, 7, 5])
    wins = sum((a > b) + (a == b) / 2 for a in [7, 3, 6, 2, 4, 3, 5, 5] for b in [3, 5, 6, 4, 6, 5, 7, 5])
    assert wins == 23
    assert slower(ours, others) == pytest.approx(0.84625, abs=1e-4)


@given(st.lists(st.floats(0.05, 1e5), max_size=60), st.lists(st.floats(0.05, 1e5), max_size=60))
@settings(max_examples=150, deadline=None)
def test_a_rank_test_is_fair_to_both_sides(ours: list[float], others: list[float]) -> None:
    """Not both can be slower than the other, and times never rank above themselves."""
    one, two = Histogram.of(ours), Histogram.of(others)
    assert min(slower(one, two), 1 - 1e-12) + min(slower(two, one), 1 - 1e-12) >= 0.99
    assert slower(one, one) >= 0.5


@given(st.lists(st.floats(0, 1e6), max_size=80), st.floats(0, 1000), st.floats(0, 3))
@settings(max_examples=150, deadline=None)
def test_stretching_loses_nobody_and_speeds_up_nobody(times: list[float], by_ms: float, by_share: float) -> None:
    """As many are counted as before, and none in a lower bucket."""
    before = Histogram.of(times)
    after = stretched(before, by_ms=by_ms, by_share=by_share)
    assert after.total == before.total == len(times)
    for bucket in range(BUCKETS):
        assert sum(after.counts[:bucket]) <= sum(before.counts[:bucket])


def test_a_quantile_is_the_bucket_that_holds_it() -> None:
    """95 of a hundred in one bucket are the p95, 94 are not."""
    assert BOUNDS_MS[quantile(Histogram.of([1.0] * 95 + [50.0] * 5), 0.95)] == 1.0
    assert BOUNDS_MS[quantile(Histogram.of([1.0] * 94 + [50.0] * 6), 0.95)] == 56.0


def test_a_histogram_of_other_buckets_is_refused() -> None:
    """Counts that do not belong to the bounds are a bug, not a latency."""
    with pytest.raises(ValueError, match="counts"):
        Histogram((1, 2, 3))
