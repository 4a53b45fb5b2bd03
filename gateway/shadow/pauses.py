"""Room for those that wait before legacy is asked on: until a clock has ticked, or legacy may be asked at all.

Whoever waits is in no lane. It knows neither loop nor questions: it counts places and bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from gateway.shadow.budget import Budget
from gateway.shadow.drop import Drop
from gateway.shadow.finding import Found

TICK_S: Final = 1.05  # after so long a clock of whole seconds shows another time
MOST: Final = 256  # that wait at once


@dataclass(frozen=True, slots=True)
class Later:
    """What goes on `after_s` seconds from now, and holds so many bytes meanwhile beside its job's."""

    work: Callable[[], Coroutine[Any, Any, Found | Drop | Later]]
    after_s: float
    held: int


class Pauses:
    """So many places, and what the budget has left for those who take them."""

    def __init__(self, budget: Budget, tick_s: float = TICK_S, most: int = MOST) -> None:
        self._budget, self._tick_s, self._left = budget, tick_s, most

    def later(self, work: Callable[[], Coroutine[Any, Any, Found | Drop | Later]], held: int) -> Later | None:
        """A place until a clock has ticked, which is to be left; None where there is no room."""
        if self._left <= 0 or not self._budget.take(held):
            return None
        self._left -= 1
        return Later(work, self._tick_s, held)

    def leave(self, later: Later) -> None:
        """Somebody waits no longer."""
        self._left += 1
        self._budget.give(later.held)
