"""How often legacy is asked about a mismatch, by what came of asking about its places before.

Two answers of a legacy that draws by lot agree by chance: a coin in half of them, three shuffled rows in one of six.
Pure; the moments are the caller's, in seconds of one clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.diff.verdict import Kind, Outcome
from gateway.shadow.sparing import REMEMBERED_S
from gateway.shadow.spots import Spot

ONCE: Final = 1  # where every place kept still each time
UNKNOWN: Final = 3
RESTLESS: Final = 8  # where legacy has disagreed with itself lately: a coin falls eight times alike once in 256
STEADY: Final = 3  # times that a mismatch was left, after which its place is known to keep still
MOST: Final = 4_096  # places that are known

_Place = tuple[str, str, Kind]


@dataclass(slots=True)
class _Known:
    confirmed: int = 0
    restless_until: float = float("-inf")


class Repute:
    """What is known of the places of all routes: of so many, the others are forgotten."""

    def __init__(self) -> None:
        self._places: dict[_Place, _Known] = {}

    def questions(self, route: str, spots: Iterable[Spot], now: float) -> int:
        """How often at most to ask about a request that is mismatched at these spots, whatever noise is beside them."""
        most = ONCE
        for spot in spots:
            if spot.outcome is Outcome.NOISE:
                continue
            known = self._places.get((route, spot.place, spot.kind))
            if known is not None and now < known.restless_until:
                return RESTLESS
            if known is None or known.confirmed < STEADY:
                most = UNKNOWN
        return most

    def learn(self, route: str, spots: Iterable[Spot], now: float) -> None:
        """Note what asking as often as that has come to."""
        for spot in spots:
            key = (route, spot.place, spot.kind)
            known = self._places.pop(key, None) or _Known()
            self._places[key] = known  # behind the others
            if spot.outcome is Outcome.NOISE:
                known.confirmed, known.restless_until = 0, now + REMEMBERED_S
            else:
                known.confirmed += 1
        while len(self._places) > MOST:
            del self._places[next(iter(self._places))]
