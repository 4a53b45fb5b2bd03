"""Whose copies rest: where a side's answers to a route are never read to their end, it is asked now and then only.

Reading what nobody can compare costs more than what everybody can, and keeps lanes from the copies of other routes.
Pure; the moments are the caller's, in seconds of one clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.message import Side

FEW: Final = 5  # answers in a row that were not read to their end
FIRST_S: Final = 1.0  # between two copies at first; twice as long each time
LONGEST_S: Final = 10.0


@dataclass(slots=True)
class _Rest:
    unread: int = 0
    pause_s: float = 0.0
    until: float = 0.0


class Rests:
    """What was heard of each route and side; those whose last answer was read to its end are not kept."""

    def __init__(self) -> None:
        self._rests: dict[tuple[str, Side], _Rest] = {}

    def has(self, route: str, side: Side, now: float) -> bool:
        """Whether a copy would not be sent now."""
        rest = self._rests.get((route, side))
        return rest is not None and now < rest.until

    def sends(self, route: str, side: Side, now: float) -> bool:
        """Whether a copy is sent now; one that is sent after a rest begins the next one, which is longer."""
        rest = self._rests.get((route, side))
        if rest is None or not rest.pause_s:
            return True
        if now < rest.until:
            return False
        rest.pause_s = min(2 * rest.pause_s, LONGEST_S)
        rest.until = now + rest.pause_s
        return True

    def heard(self, route: str, side: Side, now: float, *, whole: bool) -> bool:
        """Note whether an answer was read to its end; whether copies rest from now on."""
        if whole:
            self._rests.pop((route, side), None)
            return False
        rest = self._rests.setdefault((route, side), _Rest())
        rest.unread += 1
        if rest.unread < FEW:
            return False
        rest.pause_s = rest.pause_s or FIRST_S
        rest.until = now + rest.pause_s  # from its end: reading it may have taken long
        return rest.unread == FEW
