"""How copies reach a side: connections of their own, credentials of their own, and never while it is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.failure import Failure
from gateway.message import Observation, OutboundRequest, Side
from gateway.shadow.drop import Drop
from gateway.shadow.job import Watch
from gateway.upstream.gathering import Gathering, Told, gather
from gateway.upstream.http import HttpTransport
from gateway.upstream.observe import observe
from gateway.upstream.transport import Transport

# Headers that a copy carries in place of the client's, names in lower case; None: it carries none of that name.
Replacements = tuple[tuple[bytes, bytes | None], ...]

# A side that was not asked has said nothing.
_NOT_ASKED: Final = {
    Failure.LEGACY_UNAVAILABLE: Drop.BREAKER_OPEN,
    Failure.NEW_UNAVAILABLE: Drop.BREAKER_OPEN,
    Failure.LEGACY_BUSY: Drop.BUSY,
    Failure.NEW_BUSY: Drop.BUSY,
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a copy may take in all, and bytes of its answer that are kept at most."""

    timeout_s: float
    cap: int


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Way:
    """One side as copies see it. `left_alone` tells whether it has failed so often that it is not asked for now."""

    side: Side
    transport: Transport
    replacements: Replacements = ()
    left_alone: Callable[[], bool] = _never

    async def ask(self, copy: OutboundRequest, limits: Limits, watch: Watch | None = None) -> Observation | Drop:
        """What the side says to a copy, or why it was not asked."""
        if self.left_alone():
            return Drop.BREAKER_OPEN
        ended = None
        if watch is not None:
            copy, ended = watch(copy)
        observed = await self._gathered(copy, limits)
        if observed is None:
            observed = await observe(self.side, self.transport, copy, timeout_s=limits.timeout_s, cap=limits.cap)
        if ended is not None:
            ended(observed)
        not_asked = None if observed.failure is None else _NOT_ASKED.get(observed.failure)
        return not_asked or observed

    def gather(self, copy: OutboundRequest, limits: Limits, tell: Told) -> Gathering | None:
        """Ask on a connection that is idle already; None where there is none, and `ask` is the way."""
        if not isinstance(self.transport, HttpTransport) or self.left_alone():
            return None
        return gather(self.side, self.transport, copy, timeout_s=limits.timeout_s, cap=limits.cap, tell=tell)

    async def _gathered(self, copy: OutboundRequest, limits: Limits) -> Observation | None:
        """What `gather` brings; None where that is nothing."""
        told: asyncio.Future[Observation | None] = asyncio.get_running_loop().create_future()
        gathering = self.gather(copy, limits, lambda came: None if told.done() else told.set_result(came))
        if gathering is None:
            return None
        try:
            return await told
        except asyncio.CancelledError:
            gathering.abandon()
            raise

    def dressed(self, copy: OutboundRequest) -> OutboundRequest:
        """The copy with this side's own headers."""
        if not self.replacements:
            return copy
        names = {name for name, _ in self.replacements}
        kept = [header for header in copy.headers if header[0] not in names]
        own = [(name, value) for name, value in self.replacements if value is not None]
        return copy.with_headers((*kept, *own))
