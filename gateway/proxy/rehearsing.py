"""A shadowed write on the client's way: its body is read whole, the new side rehearses it, then legacy is asked.

It is the capture of such an exchange; everything that is not rehearsed after all is streamed on as it came.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Hashable, Sequence
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

from gateway.diff.verdict import Verdict
from gateway.failure import Failure
from gateway.message import Observation, OutboundRequest, Side
from gateway.proxy.arrival import EXPECT, Arrival
from gateway.proxy.copying import noted
from gateway.proxy.outbound import Addressing, build, copy_of
from gateway.proxy.tap import Capture, Kept
from gateway.rollout.routed import Routed
from gateway.routing.route import Route
from gateway.shadow.budget import Budget
from gateway.shadow.drop import Drop
from gateway.shadow.mirror import Mirror
from gateway.shadow.record import Exchange
from gateway.shadow.rehearsals import Rehearsals, Rehearsed
from gateway.shadow.stratum import MAX_BODY
from gateway.telemetry import log


class Write(NamedTuple):
    """A write that is to be rehearsed, and what its copy is made with."""

    arrival: Arrival
    routed: Routed
    route: Route
    addressing: Addressing


class Rehearsing(Capture):
    """Both halves of one write. `first` is called before legacy is asked, `over` when the client has its answer."""

    __slots__ = ("_rehearsals", "_rehearsed", "_write")

    def __init__(self, rehearsals: Rehearsals, write: Write, budget: Budget) -> None:
        super().__init__(write.route.key, Side.LEGACY, cap=rehearsals.cap, budget=budget)
        self._rehearsals, self._write = rehearsals, write
        self._rehearsed: Rehearsed | None = None

    async def first(self, outbound: OutboundRequest, mirror: Mirror) -> tuple[OutboundRequest, Capture | None]:
        """Have the new side go first; what legacy is to be sent, and who keeps what where nothing will be compared."""
        why, body = Drop.NO_REHEARSAL if self._write.arrival.head.facts & EXPECT else self._refusal(), None
        if why is None:
            read = Kept(self._rehearsals.cap, self.budget)
            try:
                outbound = await _read(outbound, read)
                why = read.lacks
                if why is None:
                    body = read.body
                    why = await self._tried(body)
            finally:
                self.budget.give(read.leave())  # from here on what flows to legacy is kept
        if why is None:
            return outbound, self
        self._rehearsals.pass_by(_key(self._write.arrival, self._write.route, body))
        self.dropped(why)
        return outbound, None if body is None else noted(mirror, self._write.routed, body[: MAX_BODY + 1])

    async def _tried(self, body: bytes) -> Drop | None:
        try:
            return await self._rehearse(body)
        except Exception as bug:  # noqa: BLE001 - a bug of a comparison's is no reason not to serve the client
            log("shadow_failed", level=logging.ERROR, bug=bug, route=self.route)
            return Drop.BUG

    async def _rehearse(self, body: bytes) -> Drop | None:
        arrival, routed, route, addressing = self._write
        if (why := self._refusal()) is not None:  # much may happen while a client sends
            return why
        request = build(arrival, Side.NEW, route, addressing)
        copy = copy_of(request, None if request.body is None else body)
        rehearsed = await self._rehearsals.rehearse(
            routed.key, _key(arrival, route, body), copy, flag_version=self._flag_version
        )
        if isinstance(rehearsed, Drop):
            return rehearsed
        self._rehearsed = rehearsed
        return None

    def _refusal(self) -> Drop | None:
        return self._rehearsals.refusal(self._write.route, self._flag_version)

    @property
    def _flag_version(self) -> int:
        flag = self._write.routed.flag
        return 0 if flag is None else flag.version

    def over(self, failure: Failure | None) -> None:
        """Compare both, or say why not; `failure` is what the client got in place of an answer, or of its end."""
        control = self.observation(failure)
        if isinstance(control, Drop) or self._rehearsed is None:
            self.dropped(control if isinstance(control, Drop) else Drop.INCOMPLETE)
        else:
            self.budget.give(self.hand_over())
            self._rehearsals.judge(self._rehearsed, control, partial(self._exchange, self._rehearsed, control))
            self._rehearsed = None

    def dropped(self, why: Drop) -> None:
        """Nothing will be compared."""
        super().dropped(why)
        if self._rehearsed is not None:
            self._rehearsals.drop(self._rehearsed)
            self._rehearsed = None

    def _exchange(self, rehearsed: Rehearsed, control: Observation, verdict: Verdict) -> Exchange:
        arrival, routed, _, _ = self._write
        return Exchange(
            route=routed.key,
            request_id=arrival.request.id,
            stage=routed.stage,
            flag_version=self._flag_version,
            authoritative=Side.LEGACY,
            target=arrival.request.target,
            request=rehearsed.copy,
            control=control,
            candidate=rehearsed.candidate,
            verdict=verdict,
        )


def _key(arrival: Arrival, route: Route, body: bytes | None) -> Hashable:
    """What makes two writes the same one's: what the path names, on whatever route, else all that is sent to one."""
    values = route.template.values(arrival.request.path)
    return tuple(values.values()) if values else (route.key, blake2b(body or b"", digest_size=16).digest())


async def _read(outbound: OutboundRequest, read: Kept) -> OutboundRequest:
    """Read the whole body, as far as it can be kept; the request with the same bytes before it still."""
    if outbound.body is None:
        return outbound
    if isinstance(outbound.body, bytes):
        read.add(outbound.body)
        return outbound
    source, chunks = outbound.body, list[bytes]()
    async for chunk in source:
        chunks.append(chunk)
        read.add(chunk)
        if read.lacks:
            return outbound._replace(body=_again(chunks, source))
    return outbound._replace(body=_again(chunks, None))


async def _again(chunks: Sequence[bytes], rest: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if rest is not None:
        async for chunk in rest:
            yield chunk
