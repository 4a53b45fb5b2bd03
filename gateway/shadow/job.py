"""A copy to send, with what the client was answered. It knows no queue and no verdict."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Final, NamedTuple

from gateway.message import Headers, Observation, OutboundRequest

OVERHEAD: Final = 2 * 1024  # bytes a job takes beside its texts, roughly

Watch = Callable[[OutboundRequest], tuple[OutboundRequest, Callable[[Observation], None]]]


class Job(NamedTuple):
    """A copy to send: the request for the other side, and what the client was answered.

    `target` is the client's own, which the new side may know by another path. `again` makes what legacy is asked in a
    recheck, None where nothing may be asked twice. `watch` sees the copy when it leaves, may put headers on it, and is
    then told what came of it.
    """

    route: str
    request_id: str
    stage: str
    flag_version: int
    target: bytes
    answered: Observation
    copy: OutboundRequest
    again: Callable[[], OutboundRequest] | None = None
    watch: Watch | None = None

    @property
    def size(self) -> int:
        """The bytes it holds, roughly."""
        body = self.copy.body if isinstance(self.copy.body, bytes) else b""
        heads = _size(self.answered.headers) + _size(self.copy.headers) + len(self.copy.target)
        return OVERHEAD + heads + len(self.target) + len(self.answered.body) + len(body)


def _size(headers: Headers) -> int:
    return sum(map(len, chain.from_iterable(headers)))
