"""Requests that have no answer yet: whose they are and since when, read off what is open anyway.

Nothing is kept for it on the path of a request that is answered by callbacks; the app's way enters a set and leaves it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Final, Protocol

from gateway.rollout.routed import Routed

SLICE: Final = 500  # connections: a fraction of a millisecond


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


def unanswered(connections: Iterable[object], entered: Iterable[Open]) -> Iterator[list[Open]]:
    """The requests that wait: of the clients' connections, and those `entered` on the app's way.

    They come slice by slice, so that whoever looks can give clients a turn in between.
    """
    everyone = chain(tuple(connections), tuple(entered))
    while some := tuple(islice(everyone, SLICE)):
        running: Iterator[Open | None] = (getattr(each, "answering", None) for each in some)
        yield [each for each in running if each is not None and each.waits]
