"""How often legacy may be asked again: it serves clients meanwhile, and one route must not take every lane.

It knows why a mismatch is not asked about, and whether it may be noise then. Pure; the moments are the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PER_SECOND: Final = 100.0  # of one route
REMEMBERED_S: Final = 600.0  # how long a route that has shown noise is held to have more of it


class Skip(StrEnum):
    """Why legacy is not asked again, as the metric names it."""

    BUSY = "busy"  # as many requests of the route are being asked again as may be
    TOO_OFTEN = "too_often"  # as many of them as may be in a second have been


@dataclass(slots=True)
class _Route:
    """One route's rechecks. `left` may begin now, `at` this moment; `told` once one of them has ended."""

    left: float
    at: float
    under_way: int = 0
    told: bool = False
    noisy_until: float = float("-inf")


class Rechecks:
    """The rechecks of one process, each route by itself: `at_once` under way, `per_s` a second."""

    def __init__(self, at_once: int, per_s: float = PER_SECOND) -> None:
        self._at_once, self._per_s = at_once, per_s
        self._routes: dict[str, _Route] = {}

    def begin(self, route: str, now: float) -> Skip | None:
        """Begin a recheck, which is to be ended; or why there is none now."""
        one = self._routes.setdefault(route, _Route(self._per_s, now))
        one.left, one.at = min(self._per_s, one.left + (now - one.at) * self._per_s), now
        if one.under_way >= self._at_once:
            return Skip.BUSY
        if one.left < 1:
            return Skip.TOO_OFTEN
        one.left -= 1
        one.under_way += 1
        return None

    def end(self, route: str) -> None:
        """End one that has begun."""
        one = self._routes[route]
        one.under_way, one.told = one.under_way - 1, True

    def noisy(self, route: str, now: float) -> None:
        """Note that legacy disagreed with itself."""
        self._routes[route].noisy_until = now + REMEMBERED_S

    def may_be_noise(self, route: str, now: float) -> bool:
        """Whether a mismatch that nobody asks about may be noise, by what was seen of its route lately.

        As long as the first that were asked about are under way, nobody knows.
        """
        one = self._routes[route]
        return now < one.noisy_until or (one.under_way > 0 and not one.told)
