"""What the doors of one listener share: their limits, one coarse clock, who is connected, and what they say."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.failure import Failure
from gateway.proxy.heads import KEPT_S, KnownHeads
from gateway.proxy.rate import Rate

TICK_S: Final = 0.25  # how exactly the times of `DoorLimits` are kept
SHELVES: Final = 7  # of guests, one looked at after the other: nobody is served meanwhile. A prime, for addresses
TOLD_A_TICK: Final = 3  # refusals of a kind
NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """What a client may send, in bytes, fields and seconds.

    `head_s` runs from a head's first byte to its last, `keep_alive_s` while nothing is asked; `leaving_s` is for a
    connection that is to end: at the end of the process, or after an answer to a request that is still being sent.
    `unread_s` is for one that takes nothing of its answer.
    `guests_of_one` connections may come from one address, and `rate_of_one` requests a second from one client, with
    `burst_of_one` at once; 0 for any number.
    """

    guests: int = 20_000
    guests_of_one: int = 0
    rate_of_one: float = 0.0
    burst_of_one: int = 100
    head_bytes: int = 64 * 1024
    head_fields: int = 100
    target_bytes: int = 16 * 1024
    head_s: float = 10.0
    keep_alive_s: float = 75.0  # as nginx: an idle connection costs little, a new one costs a round trip
    leaving_s: float = 1.0
    unread_s: float = 300.0


class Unread:
    """How long an answer may wait for its client: while that takes some of it, however little, there is time."""

    __slots__ = ("_by", "_bytes", "_limits")

    def __init__(self, limits: DoorLimits) -> None:
        self._limits = limits
        self._bytes = self._by = NEVER

    def forget(self) -> None:
        """There are other bytes now."""
        self._bytes = NEVER

    def look_again(self, unread: int, now: float) -> float:
        """When to look again, while there are so many; NEVER when none of them was taken for too long."""
        if unread < self._bytes:
            self._bytes, self._by = unread, now + self._limits.unread_s
        return NEVER if now >= self._by else min(self._by, now + self._limits.leaving_s)


class Guest(Protocol):
    """A connection as the doorkeeper sees it."""

    leave_by: float

    def overstayed(self) -> None:
        """The time is up."""


class Doorkeeper:
    """Make it for one listener. `now` is the loop's time, at most `TICK_S` old while anybody is connected."""

    __slots__ = (
        "_heads_by", "_loop", "_of_one", "_rate", "_shelves", "_ticking", "_told", "_turn", "has_rate", "heads",
        "limits", "now",
    )  # fmt: skip

    def __init__(self, limits: DoorLimits | None = None) -> None:
        self.limits = limits or DoorLimits()
        self.now = 0.0
        self.heads, self._heads_by = KnownHeads(), 0.0
        self._loop: asyncio.AbstractEventLoop
        self._shelves: tuple[set[Guest], ...] = tuple(set() for _ in range(SHELVES))
        self._turn = 0  # whose is next
        self._of_one: Counter[str] = Counter()
        rate = self.limits.rate_of_one
        self._rate = Rate(rate, self.limits.burst_of_one) if rate else None
        self.has_rate = self._rate is not None
        self._told: Counter[Failure] = Counter()
        self._ticking: asyncio.TimerHandle | None = None

    def enter(self, guest: Guest) -> None:
        """Somebody has connected."""
        if self._ticking is None:
            self._loop = asyncio.get_running_loop()
            self.now = self._loop.time()
            self._ticking = self._loop.call_later(TICK_S / SHELVES, self._tick)
        self._shelves[hash(guest) % SHELVES].add(guest)

    def leave(self, guest: Guest) -> None:
        """Somebody has gone, or is none of ours any more."""
        self._shelves[hash(guest) % SHELVES].discard(guest)

    def admits(self, address: str, *, connected: int) -> Failure | None:
        """Why another connection of an address is too many, when `connected` are open in all; else it is counted."""
        if connected > self.limits.guests:
            return Failure.TOO_MANY_CLIENTS
        if not self.limits.guests_of_one or not address:
            return None
        if self._of_one[address] >= self.limits.guests_of_one:
            return Failure.TOO_MANY_FROM_CLIENT
        self._of_one[address] += 1
        return None

    def forget(self, address: str) -> None:
        """A connection that was admitted has ended."""
        if self.limits.guests_of_one and address:
            self._of_one[address] -= 1
            if self._of_one[address] <= 0:
                del self._of_one[address]

    def is_asked_too_often(self, client: str) -> bool:
        """Whether a client's request, whose head has just come, is one too many; else it is counted."""
        return self._rate is not None and self._rate.exceeded(client, self._loop.time())

    def tells(self, failure: Failure) -> bool:
        """Whether another refusal may go to the log: one kind must neither fill it nor hide the others."""
        self._told[failure] += 1
        return self._told[failure] <= TOLD_A_TICK

    def _tick(self) -> None:
        """One clock for all, instead of two timers for every request. It comes to everybody once in `TICK_S`."""
        self.now = now = self._loop.time()
        if self._turn == 0:
            self._told.clear()
        if now > self._heads_by:
            self._heads_by = now + KEPT_S
            self.heads.age()
        shelf, self._turn = self._shelves[self._turn], (self._turn + 1) % SHELVES
        for guest in [guest for guest in shelf if guest.leave_by < now]:
            guest.overstayed()
        if any(self._shelves):
            self._ticking = self._loop.call_later(TICK_S / SHELVES, self._tick)
        else:
            self._ticking = None
            self.heads.forget()
