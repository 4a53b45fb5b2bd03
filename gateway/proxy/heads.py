"""Heads that came a moment ago, on whichever connection: what clients send again and again is read once.

It knows bytes and what was made of them; when to forget is the doorkeeper's to say, for there are secrets in them.
"""

from __future__ import annotations

from typing import Final

from gateway.proxy.arrival import Head

KEPT_S: Final = 5.0  # a head that nobody has sent for so long is forgotten, at the latest after twice the time
_MOST: Final = 1_000  # heads; whoever invents more has them forgotten sooner
_LONGEST: Final = 2 * 1024  # bytes of one


class KnownHeads:
    """Heads by the peer's address and the bytes behind the request line."""

    __slots__ = ("_older", "_recent")

    def __init__(self) -> None:
        self._recent: dict[tuple[str, bytes], Head] = {}
        self._older: dict[tuple[str, bytes], Head] = {}

    def of(self, address: str, block: bytes) -> Head | None:
        """The head that this peer has sent in these bytes."""
        known = address, block
        head = self._recent.get(known)
        if head is None and (head := self._older.get(known)) is not None:
            self.remember(address, head)
        return head

    def remember(self, address: str, head: Head) -> None:
        """Keep a head, which has a `block`."""
        if len(head.block) <= _LONGEST:
            if len(self._recent) >= _MOST:
                self.age()
            self._recent[address, head.block] = head

    def age(self) -> None:
        """Forget what has not come since this was called last."""
        self._older, self._recent = self._recent, {}

    def forget(self) -> None:
        """Forget all of them: what was made of them holds no longer."""
        self._older, self._recent = {}, {}
