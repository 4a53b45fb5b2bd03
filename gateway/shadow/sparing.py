"""How often legacy may be asked again about a route: it serves clients meanwhile.

It knows whether a mismatch that nobody asks about may be noise. Pure; the moments are the caller's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PER_SECOND: Final = 100.0  # of one route
REMEMBERED_S: Final = 600.0  # how long a route that has shown noise is held to have more of it


@dataclass(slots=True)
class _Route:
    """One route's rechecks. `left` questions may be asked now, `at` this moment; `told` once an inquiry was over."""

    left: float
    at: float
    open: int = 0
    told: bool = False
    noisy_until: float = float("-inf")


class Rechecks:
    """The questions to legacy of one process, each route by itself: `per_s` a second, and a second's at once."""

    def __init__(self, per_s: float = PER_SECOND) -> None:
        self._per_s = per_s
        self._routes: dict[str, _Route] = {}

    def may_ask(self, route: str, now: float, *, first: bool) -> bool:
        """Whether legacy may be asked now, which is a question less. Half of them are for the first about a request."""
        one = self._of(route, now)
        one.left, one.at = min(self._per_s, one.left + (now - one.at) * self._per_s), now
        if one.left < (1 if first else max(1, self._per_s / 2)):
            return False
        one.left -= 1
        return True

    def begin(self, route: str, now: float) -> None:
        """Begin to ask about a request, which is to be ended."""
        self._of(route, now).open += 1

    def end(self, route: str, now: float, *, noisy: bool) -> None:
        """Legacy was asked about a request as often as it will be, and disagreed with itself or not."""
        one = self._of(route, now)
        one.open, one.told = one.open - 1, True
        if noisy:
            one.noisy_until = now + REMEMBERED_S

    def may_be_noise(self, route: str, now: float) -> bool:
        """Whether a mismatch that nobody asks about may be noise, by what was seen of its route lately.

        As long as the first that were asked about are open, nobody knows.
        """
        one = self._of(route, now)
        return now < one.noisy_until or (one.open > 0 and not one.told)

    def _of(self, route: str, now: float) -> _Route:
        return self._routes.setdefault(route, _Route(self._per_s, now))
