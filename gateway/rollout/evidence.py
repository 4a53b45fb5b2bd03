"""What was seen of a route since its rules and its new side last changed: counts, latencies, strata. Pure values.

The gate judges it. It knows no verdict's contents, no database and no clock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

# Upper ends of the buckets in ms, twelve to a decade (the preferred numbers E12 of IEC 60063) from 0.1 ms to 82 s:
# two neighbours differ by a fifth, which is finer than any latency that a gate refuses for. One more bucket, above the
# last bound, holds the rest. The counts in the database are in this order: a change of it needs a migration.
_E12: Final = (10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82)
BOUNDS_MS: Final = tuple(each * 10**decade / 100 for decade in range(6) for each in _E12)
BUCKETS: Final = len(BOUNDS_MS) + 1


@dataclass(frozen=True, slots=True, order=True)
class Stratum:
    """A kind of request: requests of one stratum take the same way through a handler, as far as anyone can see.

    `status_class` is legacy's, 2 for 2xx. The keys are those of the query and of a JSON or form body, sorted.
    `role` is the caller's as the token says it, empty without one; `content_type` is the request's media type.
    """

    method: str
    status_class: int
    query_keys: tuple[str, ...]
    body_keys: tuple[str, ...]
    role: str
    content_type: str

    def __reduce__(self) -> tuple[type[Stratum], tuple[object, ...]]:
        """Pickled as a call: it travels with every finding, and by its fields it takes three times as long."""
        fields = (self.method, self.status_class, self.query_keys, self.body_keys, self.role, self.content_type)
        return Stratum, fields

    def __str__(self) -> str:
        """In words: `POST 2xx ?limit {lot_code weight_kg} operator application/json`."""
        parts = [self.method, f"{self.status_class}xx"]
        parts += [f"?{'&'.join(self.query_keys)}"] if self.query_keys else []
        parts += [f"{{{' '.join(self.body_keys)}}}"] if self.body_keys else []
        return " ".join([*parts, *filter(None, (self.role, self.content_type))])


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many took how long: counts[i] of at most BOUNDS_MS[i], the last of more than every bound."""

    counts: tuple[int, ...] = (0,) * BUCKETS

    def __post_init__(self) -> None:
        """Refuse counts of other buckets: two histograms are compared bucket by bucket."""
        if len(self.counts) != BUCKETS or min(self.counts) < 0:
            raise ValueError(f"a histogram has {BUCKETS} counts from 0, not {self.counts}")

    @classmethod
    def of(cls, times_ms: Iterable[float]) -> Histogram:
        """Sort times into buckets."""
        counts = [0] * BUCKETS
        for each in times_ms:
            counts[bisect_left(BOUNDS_MS, each)] += 1
        return cls(tuple(counts))

    @property
    def total(self) -> int:
        """How many were counted."""
        return sum(self.counts)

    def __add__(self, other: Histogram) -> Histogram:
        """Join two."""
        return Histogram(tuple(a + b for a, b in zip(self.counts, other.counts, strict=True)))


@dataclass(frozen=True, slots=True)
class RouteEvidence:
    """What the comparisons of one route and one revision (its rules and new side's version) have found.

    The first five counts add up to the comparisons made. `broken` are those not comparable because nobody can read the
    new side's answer, while legacy's could be read. `class_disagreements`: status classes differ, or one side
    answers 401, 403 or 404 and the other does not answer the same. Errors are 5xx and failures. `served` holds the
    strata legacy was seen to serve, `compared` those of which both answers could be compared.
    """

    route: str
    revision: str
    since: datetime | None = None
    matched: int = 0
    allowed: int = 0
    mismatched: int = 0
    noise: int = 0
    not_comparable: int = 0
    class_disagreements: int = 0
    candidate_errors: int = 0
    control_errors: int = 0
    broken: int = 0
    control_ms: Histogram = Histogram()
    candidate_ms: Histogram = Histogram()
    served: frozenset[Stratum] = frozenset()
    compared: frozenset[Stratum] = frozenset()

    @property
    def wrong(self) -> int:
        """How many comparisons speak against the new side."""
        return self.mismatched + self.broken
