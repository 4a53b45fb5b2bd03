"""Has a share grown beyond what is tolerated? A test that may be asked after every look, for ever. Pure.

An e-process: a bet against "the share is at most the tolerated one". While that is true the bet cannot be expected to
grow, so it reaches 1/ALPHA with a probability of at most ALPHA, however often anyone looks (Ville's inequality).
docs/explanation/statistics.md derives it.
"""

from __future__ import annotations

from math import exp, inf, log, log1p
from typing import Final

ALPHA: Final = 0.001  # how likely one test raises a false alarm in its whole life
ODDS: Final = (3.0, 10.0, 100.0, 1000.0)  # how much larger than tolerated the odds may have become: what is bet on


class Sequential:
    """One such test. A new bet begins with every look, so that a long good past does not hide a bad present."""

    __slots__ = ("_bets", "_looks", "alpha")

    def __init__(self, alpha: float = ALPHA) -> None:
        self.alpha = alpha
        self._looks = 0
        self._bets = [-inf] * len(ODDS)  # logarithms of what the bets on each of ODDS are worth

    def saw(self, hits: int, samples: int, tolerated: float) -> bool:
        """Take further samples in; whether the share has grown beyond `tolerated`, which was fixed before they came."""
        if samples > 0:
            self._looks += 1
            # the stakes of all looks together are 1: 1/(1*2) + 1/(2*3) + ...
            stake = -log(self._looks) - log1p(self._looks) - log(len(ODDS))
            for index, factor in enumerate(ODDS):
                won = _log_ratio(hits, samples, tolerated, factor)
                self._bets[index] = _log_add(self._bets[index], stake) + won
        return self.worth >= -log(self.alpha)

    @property
    def worth(self) -> float:
        """The logarithm of what all bets are worth together."""
        best = max(self._bets)
        return best if best == -inf else best + log(sum(exp(each - best) for each in self._bets))


def _log_ratio(hits: int, samples: int, tolerated: float, factor: float) -> float:
    """How much likelier these samples are where the odds are `factor` times as large."""
    odds = tolerated / (1 - tolerated)
    share = factor * odds / (1 + factor * odds)
    return hits * log(share / tolerated) + (samples - hits) * (log1p(-share) - log1p(-tolerated))


def _log_add(one: float, other: float) -> float:
    larger, smaller = (one, other) if one > other else (other, one)
    return larger + log1p(exp(smaller - larger))
