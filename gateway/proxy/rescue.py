"""A rescue: the new side in this process fails before anything of it stays, and legacy answers in its place.

It knows what was sent and what the new side told; whether a route wants this is the route's to say (`rescue: on`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from gateway.diff.value import brief
from gateway.diff.verdict import Kind, Mismatch, Outcome, Verdict
from gateway.failure import Failure
from gateway.message import Observation, OutboundRequest, Request, Response, Side
from gateway.proxy.respond import Sent
from gateway.proxy.tap import Capture, Kept
from gateway.rollout.routed import Routed
from gateway.routing.route import Route
from gateway.shadow.budget import Budget
from gateway.shadow.drop import Drop
from gateway.shadow.mirror import Mirror
from gateway.shadow.record import Exchange
from gateway.telemetry import count, log
from gateway.upstream.inprocess import InProcess
from gateway.upstream.told import Told

END_S: Final = 2.0  # how long a cancelled handler has to roll back; after that legacy is not asked
_OF_NEW: Final = frozenset({Failure.NEW_CRASHED, Failure.NEW_TIMEOUT, Failure.NEW_BAD_ANSWER})

Body = AsyncIterator[bytes] | bytes | None


class Rescue:
    """One request that the new side is asked first. Its body is kept while it is read, up to `cap` bytes of `budget`.

    `failure` is the new side's, once legacy was asked in its place with `legacy`.
    """

    def __init__(
        self,
        new: InProcess,
        request: Request,
        legacy: Callable[[Body], Awaitable[Response | Failure]],
        *,
        timeout_s: float,
        cap: int,
        budget: Budget,
    ) -> None:
        self.failure: Failure | None = None
        self._new, self._request, self._legacy = new, request, legacy
        self._timeout_s, self._kept, self._budget = timeout_s, Kept(cap, budget), budget
        self._told = Told()
        self._reading: asyncio.Task[bytes | None] | None = None
        self._sent: bytes | None = None

    async def forward(self, outbound: OutboundRequest, _: Side, __: Route | None) -> Response | Failure:
        """The new side's answer, or legacy's where the new side failed and nothing of it stays."""
        try:
            return await self._forwarded(outbound)
        finally:
            if self.failure is not None:
                self._sent = self._whole_body()
            self._budget.give(self._kept.leave())

    async def _forwarded(self, outbound: OutboundRequest) -> Response | Failure:
        source = outbound.body
        kept = self._keep(source) if isinstance(source, AsyncIterator) else source
        answer = await self._new.send(outbound._replace(body=kept), timeout_s=self._timeout_s, told=self._told)
        failure = self._failed(answer)
        if failure is None or not await self._left_nothing(answer):
            return answer
        self.failure = failure
        again = self._again(self._kept.body, source) if isinstance(source, AsyncIterator) else source
        return await self._legacy(again)

    def instead_of(self, capture: Capture | None) -> None:
        """There is nothing to compare: what would have been new's answer is none, and legacy's is the client's."""
        if capture is not None:
            capture.dropped(Drop.INCOMPLETE)

    def tell(self, mirror: Mirror, routed: Routed, sent: Sent) -> None:
        """Log and count the rescue, and keep it as a mismatch once the client's bytes are on their way."""
        code = "" if self.failure is None else self.failure.code
        count(f"rescued.{code}/{routed.key}")
        log("rescued", level=logging.WARNING, route=routed.key, code=code, status=sent.status)
        asyncio.get_running_loop().call_soon(mirror.rescued, self._exchange(routed, sent, code))

    def _failed(self, answer: Response | Failure) -> Failure | None:
        """What a rescue is for: no answer in time, or none that the app does not itself call a failure."""
        if isinstance(answer, Failure):
            return answer if answer in _OF_NEW else None
        return Failure.NEW_CRASHED if self._told.failed and answer.status >= 500 else None

    async def _left_nothing(self, answer: Response | Failure) -> bool:
        """Whether the call is over and rolled back, and its body still here."""
        if self._told.committing or self._kept.lacks:
            return False
        try:
            async with asyncio.timeout(END_S):
                await self._told.over.wait()
        except TimeoutError:
            return False
        if self._told.nothing_stays and isinstance(answer, Response):
            await answer.close()
        return self._told.nothing_stays

    async def _keep(self, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        while (chunk := await self._next(source)) is not None:
            self._kept.add(chunk)
            yield chunk
        self._kept.end()

    async def _again(self, body: bytes, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """What the new side has read, then what it has not."""
        if body:
            yield body
        async for chunk in self._keep(source):
            yield chunk

    def _whole_body(self) -> bytes | None:
        """The body that was sent twice, None where it did not come whole, or there is none."""
        kept, declared = self._kept, self._request.header(b"content-length")
        is_whole = kept.whole or declared == b"%d" % len(kept.body)
        return kept.body if is_whole and not kept.lacks else None

    async def _next(self, source: AsyncIterator[bytes]) -> bytes | None:
        """The next part, None after the last. A reader that is cancelled leaves its part to the next reader.

        To cancel the read itself would end the source, and half an upload would look like a whole one to legacy.
        """
        if self._reading is None:
            self._reading = asyncio.create_task(_part(source))
            self._reading.add_done_callback(_look_at)
        chunk = await asyncio.shield(self._reading)
        self._reading = None
        return chunk

    def _exchange(self, routed: Routed, sent: Sent, code: str) -> Exchange:
        """What it would have cost the client is a mismatch, whatever legacy said."""
        request = self._request
        mismatch = Mismatch(Kind.STATUS, "status", brief(sent.status), brief(code))
        return Exchange(
            route=routed.key,
            request_id=request.id,
            stage=routed.stage,
            flag_version=0 if routed.flag is None else routed.flag.version,
            authoritative=Side.NEW,
            target=request.target,
            request=OutboundRequest(
                request.method, request.target, request.headers, self._sent, request.scheme, request.client_ip
            ),
            control=Observation(Side.LEGACY, sent.status, (), b"", 0.0),
            candidate=Observation(Side.NEW, None, (), b"", 0.0, self.failure),
            verdict=Verdict(Outcome.MISMATCHED, (mismatch,), reason=f"rescued: {code}"),
            rescued=True,
        )


async def _part(source: AsyncIterator[bytes]) -> bytes | None:
    return await anext(source, None)


def _look_at(reading: asyncio.Task[bytes | None]) -> None:
    """Nobody may come for a part; then asyncio would report its exception as lost."""
    if not reading.cancelled():
        reading.exception()
