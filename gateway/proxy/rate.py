"""How often one client may ask: a leaky bucket for each address, kept as one number (GCRA). It knows no request."""

from __future__ import annotations

from typing import Final

MOST: Final = 100_000  # clients that are counted; when all of them have asked lately, all begin anew


class Rate:
    """`per_second` requests on average, and up to `burst` of them at once."""

    __slots__ = ("_ahead", "_due", "_gap")

    def __init__(self, per_second: float, burst: int) -> None:
        self._gap = 1.0 / per_second
        self._ahead = (burst - 1) * self._gap
        self._due: dict[str, float] = {}  # when each client's requests would be over, one every `_gap` seconds

    def exceeded(self, client: str, now: float) -> bool:
        """Whether a request that has just come is one too many; if it is not, it counts. `now` in seconds."""
        due = self._due.get(client, now)
        if due - now > self._ahead:
            return True
        if len(self._due) >= MOST and client not in self._due:
            self._due = {other: its for other, its in self._due.items() if its > now}
            if len(self._due) >= MOST:
                self._due.clear()
        self._due[client] = max(due, now) + self._gap
        return False
