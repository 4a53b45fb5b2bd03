"""Decides whether an address is tried at all. Pure: it is told what happened and what time it is.

| state     | is tried                                    | becomes                                             |
|-----------|---------------------------------------------|-----------------------------------------------------|
| closed    | always                                      | open, after so many misses in a row                 |
| open      | never                                       | half-open, when its time is over and somebody tries |
| half-open | by one, or one each `open_s` while it waits | closed by a success, open again by a miss           |

A success at any time closes it: an answer that comes late is still an answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

SPREAD: Final = 0.2  # of an open time: gateways that met the same outage do not come back in the same moment


class State(StrEnum):
    """Whether an address is tried."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Miss(Enum):
    """How an attempt went wrong, as far as it matters here."""

    REFUSED = "told at once that there is no connection"
    SILENT = "no connection within its time"
    UNANSWERED = "a connection, and no answer on it"


@dataclass(frozen=True, slots=True)
class Rules:
    """Misses in a row until it opens (0: it never does), seconds of the first open time and of the longest."""

    misses: int = 5
    open_s: float = 1.0
    longest_s: float = 30.0


class Breaker:
    """`admits` looks, `admit` takes part; then say `connected`, `answered`, `missed` or `left`."""

    __slots__ = ("_open_s", "_random", "_rules", "_unanswered", "_until", "misses", "opened", "state")

    def __init__(self, rules: Rules, chance: Callable[[], float] = random.random) -> None:
        self._rules = rules
        self._random = chance
        self._open_s = rules.open_s
        self._until = 0.0
        self._unanswered = False
        self.misses = 0  # since the last success
        self.opened = 0  # times, in all
        self.state = State.CLOSED

    def admits(self, now: float) -> bool:
        """Whether an attempt may be made."""
        return self.state is State.CLOSED or now >= self._until

    def closed_for_s(self, now: float) -> float:
        """Seconds for which no attempt may be made."""
        return 0.0 if self.state is State.CLOSED else max(self._until - now, 0.0)

    def admit(self, now: float) -> bool:
        """Whether this attempt may be made; it is, then."""
        if self.state is not State.CLOSED:
            if now < self._until:
                return False
            self.state = State.HALF_OPEN
            self._until = now + self._rules.open_s  # a slow answer must not keep everybody out for as long as it takes
        return True

    def connected(self) -> None:
        """A connection stands; where answers were missed, that proves nothing."""
        if not self._unanswered:
            self.answered()

    def answered(self) -> None:
        """An answer has begun."""
        self.state = State.CLOSED
        self.misses = 0
        self._unanswered = False
        self._open_s = self._rules.open_s

    def missed(self, miss: Miss, now: float) -> None:
        """An attempt went wrong.

        The open time doubles only where failing takes time: a refusal costs nothing to ask for again, and a backend
        that restarts must not be missed for longer than it is gone.
        """
        self.misses += 1
        self._unanswered = self._unanswered or miss is Miss.UNANSWERED
        if self.state is State.HALF_OPEN:
            again = self._open_s if miss is Miss.REFUSED else min(self._open_s * 2, self._rules.longest_s)
            self._open(again, now)
        elif self.state is State.CLOSED and 0 < self._rules.misses <= self.misses:
            self._open(self._rules.open_s, now)

    def left(self, now: float) -> None:
        """An attempt ended without an outcome; the next one need not wait for it."""
        if self.state is State.HALF_OPEN:
            self._until = now

    def _open(self, open_s: float, now: float) -> None:
        self.state = State.OPEN
        self.opened += 1
        self._open_s = open_s
        self._until = now + open_s * (1 - SPREAD * self._random())
