"""One rehearsal at a time for what is asked again and again, and who came in between. In this process only.

Other processes are seen in the versions of the rows; this saves the database rehearsals that would wait for each other.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Turn:
    """A rehearsal's turn on its key, from before it begins until legacy has answered."""

    key: Hashable
    touched: bool = False  # another write on the same key has passed


class Turns:
    """The turns under way."""

    def __init__(self) -> None:
        self._turns: dict[Hashable, Turn] = {}

    def take(self, key: Hashable) -> Turn | None:
        """A turn on this key; None, and whoever has it is touched, while another one is under way."""
        if key in self._turns:
            self.touch(key)
            return None
        self._turns[key] = turn = Turn(key)
        return turn

    def touch(self, key: Hashable) -> None:
        """A write on this key passes without a turn."""
        if (held := self._turns.get(key)) is not None:
            held.touched = True

    def give(self, turn: Turn) -> None:
        """End a turn; a second time it does nothing."""
        if self._turns.get(turn.key) is turn:
            del self._turns[turn.key]
