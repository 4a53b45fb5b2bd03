"""What the rounds of the shadow trial say: how p99 moved beside the run's own noise, what was wrong, what grew. Pure.

A ratio of two rounds is worth as much as a ratio of two rounds of the same kind: rounds without copies are held against
each other, too.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, pairwise
from typing import Final

from tests.trials.pace import quantile
from tests.trials.verdict import Verdict

P99: Final = 0.99
MOST: Final = 1.05  # of a client's p99 without copies
GROWN_MB: Final = 128.0  # copies and findings may hold 32 MB each, copies under way 16, and then there are the pieces


@dataclass(frozen=True, slots=True)
class Round:
    """The milliseconds that each request took, in order, and those of the gateway's processor for one on average."""

    took: list[float]
    processor: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """The rounds without and with copies in turns, how far memory grew in MB, and the counters of the mirror.

    `wrong` are the answers that were not legacy's, byte by byte.
    """

    off: Sequence[Round]
    on: Sequence[Round]
    grown_mb: float
    wrong: int
    counted: Counter[str]

    @property
    def asked(self) -> int:
        """How many requests there were."""
        return sum(len(each.took) for each in chain(self.off, self.on))


@dataclass(frozen=True, slots=True)
class Spread:
    """Some ratios: their median between their quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> Spread:
        """Of at least one ratio."""
        if len(ratios) == 1:
            return cls(ratios[0], ratios[0], ratios[0])
        return cls(*statistics.quantiles(ratios, n=4, method="inclusive"))

    def __str__(self) -> str:
        return f"x{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


def moved(seen: Seen, share: float = P99) -> Spread:
    """A quantile with copies by the one without, round by round."""
    return Spread.of([_at(on, share) / _at(off, share) for off, on in zip(seen.off, seen.on, strict=True)])


def noise(seen: Seen, share: float = P99) -> Spread | None:
    """The same of rounds without copies, each by the one before it; None of a single one."""
    ratios = [_at(later, share) / _at(earlier, share) for earlier, later in pairwise(seen.off)]
    return Spread.of(ratios) if ratios else None


class Moved(StrEnum):
    """Whether a client's p99 stayed where it was."""

    NO = "within 5 %"
    NOBODY_KNOWS = "not within 5 %, but no more than the run's own noise"
    YES = "NOT within 5 %"


def p99_moved(seen: Seen) -> Moved:
    """What equal rounds differ by nobody can be blamed for, and nobody cleared of."""
    ratio, own = moved(seen).median, noise(seen)
    if ratio <= MOST:
        return Moved.NO
    return Moved.NOBODY_KNOWS if own is not None and ratio <= max(own.high, 1 / own.low) else Moved.YES


def p99_line(seen: Seen) -> str:
    """The ratio in words."""
    own = noise(seen)
    aside = "nothing to hold it against" if own is None else f"off against off {own}"
    off, on = (statistics.median(_at(one, P99) for one in rounds) for rounds in (seen.off, seen.on))
    return f"p99 {off:.2f} -> {on:.2f} ms, {moved(seen)}: {p99_moved(seen)}; {aside}"


def verdicts(seen: Seen) -> list[Verdict]:
    """What must hold on any machine."""
    return [
        Verdict("answers to clients", "none wrong", f"{seen.wrong} of {seen.asked} wrong", seen.wrong == 0),
        Verdict("memory", f"below +{GROWN_MB:.0f} MB", f"{seen.grown_mb:+.0f} MB", seen.grown_mb < GROWN_MB),
    ]


def _at(one: Round, share: float) -> float:
    return quantile(one.took, share)
