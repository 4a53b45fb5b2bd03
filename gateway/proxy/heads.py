"""Plain heads, read at a glance, and once: those that came a moment ago are known, on whichever connection they came.

It knows bytes and what was made of them; when to forget is the doorkeeper's to say, for there are secrets in them.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.proxy.arrival import HOST, TWICE, Head
from gateway.proxy.plain import LEARNED, plain_head, plain_line

KEPT_S: Final = 5.0  # a head that nobody has sent for so long is forgotten, at the latest after twice the time
_MOST: Final = 1_000  # heads; whoever invents more has them forgotten sooner
_LONGEST: Final = 2 * 1024  # bytes of one


class KnownHeads:
    """Heads by the peer's address and the bytes behind the request line."""

    __slots__ = ("_older", "_recent")

    def __init__(self) -> None:
        self._recent: dict[tuple[str, bytes], Head] = {}
        self._older: dict[tuple[str, bytes], Head] = {}

    def read(self, data: bytes, address: str, *, most_fields: int) -> tuple[re.Match[bytes], Head] | None:
        """Request line and head of bytes that are one request with a plain head; None leaves them to the parser."""
        block = data[data.find(b"\r\n") :]
        head = self.of(address, block)
        if head is not None:
            line = plain_line(data, block)
            return None if line is None else (line, head)
        found = plain_head(data)
        if found is None or len(found[1]) > most_fields:
            return None
        head = Head(found[1])
        if head.facts & (HOST | TWICE) != HOST:
            return None
        if len(block) <= LEARNED:
            head.block = block
            self.remember(address, head)
        return found[0], head

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
