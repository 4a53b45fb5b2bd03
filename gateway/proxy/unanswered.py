"""Requests that have no answer yet: whose they are and since when, read off what is open anyway.

Nothing is kept for it on the path of a request that is answered by callbacks; the app's way enters a set and leaves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from gateway.rollout.routed import Routed


class Open(Protocol):
    """A request under way, whoever answers it."""

    @property
    def routed(self) -> Routed: ...

    @property
    def begun(self) -> float:
        """When, by `perf_counter`."""

    @property
    def waits(self) -> bool:
        """Whether all of the request is here, and nothing of an answer: what takes time is the side's."""

    @property
    def over(self) -> bool:
        """Whether it has ended; then it is in the ledger."""


def unanswered(connections: Iterable[object], entered: Iterable[Open]) -> Iterator[Open]:
    """The requests that wait: of the clients' connections, and those `entered` on the app's way."""
    for connection in connections:
        running: Open | None = getattr(connection, "answering", None)
        if running is not None and running.waits:
            yield running
    for entry in entered:
        if entry.waits:
            yield entry
