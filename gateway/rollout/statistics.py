"""The few exact statistics behind the gate: a bound on a share, two shares compared, two histograms compared. Pure.

It knows counts, and no word of what was counted. docs/explanation/statistics.md says why these and no others.
"""

from __future__ import annotations

from itertools import accumulate
from math import erfc, exp, lgamma, log, log1p, sqrt
from typing import Final

from gateway.rollout.evidence import BOUNDS_MS, Histogram

CONFIDENCE: Final = 0.95  # of the bound on the mismatch rate, on one side
_TINY: Final = 1e-300
_EXACT: Final = 1e-15  # relative: where a sum or a fraction has ended
_MOST_TERMS: Final = 1_000_000


def upper_bound(hits: int, samples: int) -> float:
    """The largest share that still makes `hits` or fewer in `samples` happen one time in twenty (Clopper-Pearson)."""
    if not 0 <= hits <= samples:
        raise ValueError(f"{hits} hits in {samples} samples")
    if hits == samples:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(80):  # halvings: beyond the precision of a float, wherever the bound lies
        middle = (low + high) / 2
        if at_most(hits, samples, middle) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def samples_for(hits: int, share: float) -> int:
    """How many samples `hits` hits must be spread over for their upper bound not to exceed the share."""
    low, high = hits, hits + 1
    while at_most(hits, high, share) > 1 - CONFIDENCE:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if at_most(hits, middle, share) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def at_most(hits: int, samples: int, share: float) -> float:
    """The probability of `hits` or fewer in `samples` when each is a hit with this share."""
    if hits >= samples or share <= 0:
        return 1.0
    return 0.0 if share >= 1 else _beta(1 - share, samples - hits, hits + 1)


def at_least(hits: int, samples: int, share: float) -> float:
    """The probability of `hits` or more in `samples` when each is a hit with this share."""
    return 1.0 if hits <= 0 else 1 - at_most(hits - 1, samples, share)


def more_hits(hits: int, samples: int, others: int, of_others: int) -> float:
    """The p-value of Fisher's exact test, one-sided: how likely so many of all hits fall to us by chance alone.

    1 when our share of hits is not the larger one.
    """
    every, total = samples + of_others, hits + others
    if hits * of_others <= others * samples:
        return 1.0
    whole = _choose(every, total)
    term = exp(_choose(samples, hits) + _choose(of_others, total - hits) - whole)
    summed, here = term, hits
    most = min(total, samples)
    while here < most and term > summed * _EXACT:  # the terms fall, and ever faster, once they are past their largest
        term *= (samples - here) / (here + 1) * (total - here) / (of_others - total + here + 1)
        here += 1
        summed += term
    return min(1.0, summed)


def slower(times: Histogram, others: Histogram) -> float:
    """The p-value of a Mann-Whitney test, one-sided, corrected for ties: how likely times rank so high by chance."""
    ours, theirs = times.total, others.total
    every = ours + theirs
    if not ours or not theirs:
        return 1.0
    below = accumulate(others.counts, initial=0)
    wins = sum(count * (less + same / 2) for count, same, less in zip(times.counts, others.counts, below, strict=False))
    ties = sum((a + b) ** 3 - (a + b) for a, b in zip(times.counts, others.counts, strict=True))
    variance = ours * theirs / 12 * (every + 1 - ties / (every * max(1, every - 1)))
    if variance <= 0:  # all in one bucket
        return 1.0
    return erfc((wins - ours * theirs / 2 - 0.5) / sqrt(2 * variance)) / 2


def quantile(times: Histogram, share: float) -> int:
    """The bucket that the share of all times lies in or below; the first one when there are none."""
    wanted = times.total * share
    return next(bucket for bucket, seen in enumerate(accumulate(times.counts)) if seen >= wanted)


def stretched(times: Histogram, *, by_ms: float, by_share: float) -> Histogram:
    """The same times as if each had taken longer: by so many milliseconds, or by a share of itself if that is more."""
    counts = [0] * len(times.counts)
    for bucket, count in enumerate(times.counts):
        counts[_longer(bucket, by_ms, by_share)] += count
    return Histogram(tuple(counts))


def _longer(bucket: int, by_ms: float, by_share: float) -> int:
    """The bucket of the longest time of a bucket once it has been stretched."""
    if bucket == len(BOUNDS_MS):
        return bucket
    limit = BOUNDS_MS[bucket] + max(by_ms, BOUNDS_MS[bucket] * by_share)
    return next((at for at, bound in enumerate(BOUNDS_MS) if bound >= limit), len(BOUNDS_MS))


def _choose(every: int, some: int) -> float:
    """The logarithm of how many ways there are to choose some of all."""
    return lgamma(every + 1) - lgamma(some + 1) - lgamma(every - some + 1)


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function (NIST DLMF 8.17.22), from the end where its fraction is short."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    front = lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)
    return exp(front) * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of DLMF 8.17.22, by Lentz's algorithm."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    product = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            product *= c * d
        if abs(c * d - 1) < _EXACT:
            break
    return product


def _not_zero(number: float) -> float:
    return number if abs(number) > _TINY else _TINY
