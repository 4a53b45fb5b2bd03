"""What the doors of one listener share: their limits, one coarse clock, the list of who is connected."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

TICK_S: Final = 0.25  # how exactly the times of `DoorLimits` are kept
NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """What a client may send, in bytes, fields and seconds.

    `head_s` runs from a head's first byte to its last, `keep_alive_s` while nothing is asked; `leaving_s` is for a
    connection that is to end: at the end of the process, or after an answer to a request that is still being sent.
    """

    head_bytes: int = 64 * 1024
    head_fields: int = 100
    target_bytes: int = 16 * 1024
    head_s: float = 10.0
    keep_alive_s: float = 75.0  # as nginx: an idle connection costs little, a new one costs a round trip
    leaving_s: float = 1.0


class Guest(Protocol):
    """A connection as the doorkeeper sees it."""

    leave_by: float

    def overstayed(self) -> None:
        """The time is up."""


class Doorkeeper:
    """Make it for one listener. `now` is the loop's time, at most `TICK_S` old while anybody is connected."""

    __slots__ = ("_guests", "_loop", "_ticking", "limits", "now")

    def __init__(self, limits: DoorLimits | None = None) -> None:
        self.limits = limits or DoorLimits()
        self.now = 0.0
        self._loop: asyncio.AbstractEventLoop
        self._guests: set[Guest] = set()
        self._ticking: asyncio.TimerHandle | None = None

    def enter(self, guest: Guest) -> None:
        """Somebody has connected."""
        if self._ticking is None:
            self._loop = asyncio.get_running_loop()
            self.now = self._loop.time()
            self._ticking = self._loop.call_later(TICK_S, self._tick)
        self._guests.add(guest)

    def leave(self, guest: Guest) -> None:
        """Somebody has gone."""
        self._guests.discard(guest)

    def _tick(self) -> None:
        """One clock for all, instead of two timers for every request."""
        self.now = now = self._loop.time()
        for guest in [guest for guest in self._guests if guest.leave_by < now]:
            guest.overstayed()
        self._ticking = self._loop.call_later(TICK_S, self._tick) if self._guests else None
