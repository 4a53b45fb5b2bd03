"""Kinds of request that legacy served and nobody compared: the gate has to know of them as well. No input, no output.

So many are taken down in a second for each route; what they were is counted here until somebody stores it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from time import monotonic
from typing import Final

from gateway.rollout.evidence import Stratum

PER_SECOND: Final = 50  # of one route: what reading as many takes is a thousandth of a processor
MOST: Final = 2_000  # kinds that wait for the store

ServedKind = tuple[str, str, Stratum]  # route, revision


class Served:
    """Says which requests are worth a look, and counts the kinds that were seen."""

    __slots__ = ("_kinds", "_second", "_taken")

    def __init__(self) -> None:
        self._second = 0
        self._taken: dict[str, int] = {}  # of each route in this second
        self._kinds: Counter[ServedKind] = Counter()

    def has_room(self, route: str) -> bool:
        """Whether another request of the route may be taken down in this second."""
        second = int(monotonic())
        if second != self._second:
            self._second = second
            self._taken.clear()
        return self._taken.get(route, 0) < PER_SECOND

    def take(self, route: str) -> bool:
        """The same, and one is."""
        if not self.has_room(route):
            return False
        self._taken[route] = self._taken.get(route, 0) + 1
        return True

    def saw(self, kind: ServedKind) -> None:
        """Legacy has served a request of this kind."""
        if kind in self._kinds or len(self._kinds) < MOST:
            self._kinds[kind] += 1

    def give(self) -> Mapping[ServedKind, int]:
        """What was seen since the last time, for the store."""
        kinds, self._kinds = self._kinds, Counter()
        return kinds

    def take_back(self, kinds: Mapping[ServedKind, int]) -> None:
        """The store could not be reached: they wait for the next time. A kind that is lost is one the gate forgets."""
        self._kinds.update(dict(islice(kinds.items(), MOST - len(self._kinds))))
