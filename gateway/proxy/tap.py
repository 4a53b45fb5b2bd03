"""Stop 6: bodies flow through and leave bounded copies behind. The flow never waits for the copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import perf_counter
from types import TracebackType
from typing import Final

from gateway.failure import Failure
from gateway.message import ClientGone, Observation, OutboundRequest, Response, Side
from gateway.shadow.budget import Budget
from gateway.shadow.drop import Drop, drop
from gateway.upstream.observe import announced

# What a side is to blame for when it does not answer; one that was not asked has said nothing, but a new side that is
# left alone leaves its clients without an answer.
_NOT_ASKED: Final = frozenset({Failure.LEGACY_UNAVAILABLE, Failure.LEGACY_BUSY, Failure.NEW_MISSING})
_OF_SIDE: Final = {
    side: frozenset(one for one in Failure if one.code.startswith(side.value)) - _NOT_ASKED for side in Side
}


class Tap:
    """Keeps a body that somebody else reads, where it is no longer than `cap` and the budget has bytes for it."""

    __slots__ = ("_budget", "_cap", "_kept", "_source", "ended", "over", "starved", "whole")

    def __init__(self, source: AsyncIterator[bytes], cap: int, budget: Budget, *, length: int = 0) -> None:
        self._source = source
        self._cap = cap
        self._budget = budget
        self._kept = bytearray()
        self.over = length > cap  # longer than what is kept
        self.starved = False  # there were no bytes for it
        self.whole = False  # the body was read to its end
        self.ended = 0.0  # when, by the performance counter

    async def flow(self) -> AsyncIterator[bytes]:
        """The body, unchanged."""
        async for chunk in self._source:
            if not (self.over or self.starved):
                self._keep(chunk)
            yield chunk
        self.whole, self.ended = True, perf_counter()

    def _keep(self, chunk: bytes) -> None:
        self.over = len(self._kept) + len(chunk) > self._cap
        self.starved = not self.over and not self._budget.take(len(chunk))
        if self.over or self.starved:
            self.forget()  # a part of it can be compared with nothing
        else:
            self._kept += chunk

    def forget(self) -> None:
        """Keep nothing of it."""
        self._budget.give(len(self._kept))
        self._kept = bytearray()

    @property
    def held(self) -> int:
        """The bytes that were taken from the budget."""
        return len(self._kept)

    @property
    def kept(self) -> bytes:
        """What was kept."""
        return bytes(self._kept)


class Capture:
    """Both bodies of an exchange that will be compared. Use it as a block: what it kept is let go of at the end."""

    __slots__ = (
        "_answer", "_begun", "_budget", "_cap", "_ended", "_handed_over", "_route", "_sent", "_side", "_tap", "asked",
    )  # fmt: skip

    def __init__(self, route: str, side: Side, *, cap: int, budget: Budget) -> None:
        self._route, self._side, self._cap, self._budget = route, side, cap, budget
        self._sent: Tap | None = None
        self._answer: Response | None = None
        self._tap: Tap | None = None  # on an answer that comes in parts
        self._begun = self._ended = perf_counter()
        self._handed_over = False
        self.asked: OutboundRequest

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, _: type[BaseException] | None, raised: BaseException | None, __: TracebackType | None) -> None:
        if not self._handed_over:
            gone = isinstance(raised, ClientGone | asyncio.CancelledError)
            self.dropped(Drop.CLIENT_GONE if gone else Drop.BUG)

    def request(self, outbound: OutboundRequest) -> OutboundRequest:
        """The request as it leaves, with a tap on its body."""
        self.asked, self._begun = outbound, perf_counter()
        if outbound.body is None or isinstance(outbound.body, bytes):
            return outbound
        self._sent = Tap(outbound.body, self._cap, self._budget)
        return outbound._replace(body=self._sent.flow())

    def answer(self, method: str, answer: Response) -> Response:
        """The answer whose head is here, with a tap on its body."""
        self._answer, self._ended = answer, perf_counter()
        if answer.whole is not None:
            return answer
        self._tap = Tap(answer.body, self._cap, self._budget, length=announced(method, answer))
        return answer._replace(body=self._tap.flow())

    def observation(self, failure: Failure | None) -> Observation | Drop:
        """The answer, frozen, now that the client has it; or why there is nothing to compare.

        `failure` is what the client got in place of an answer, or of its end. One of the side's own is its answer.
        """
        if self._sent is not None and (why := _lacking(self._sent)) is not None:
            return why
        if failure is not None:
            if failure not in _OF_SIDE[self._side]:
                return Drop.INCOMPLETE
            return Observation(self._side, None, (), b"", self._elapsed_ms(perf_counter()), failure)
        head, tap = self._answer, self._tap
        if head is None:
            return Drop.INCOMPLETE
        if tap is None:
            body = head.whole or b""
            over = len(body) > self._cap
            elapsed_ms = self._elapsed_ms(self._ended)
            return Observation(self._side, head.status, head.headers, b"" if over else body, elapsed_ms, truncated=over)
        if tap.starved or not tap.whole:
            return Drop.BYTES if tap.starved else Drop.INCOMPLETE
        elapsed_ms = self._elapsed_ms(tap.ended)
        return Observation(self._side, head.status, head.headers, tap.kept, elapsed_ms, truncated=tap.over)

    @property
    def body(self) -> bytes | None:
        """The request's body, for the copy."""
        return None if self._sent is None else self._sent.kept

    def hand_over(self) -> int:
        """What was kept is somebody else's to let go of; so many bytes of the budget were taken for it."""
        self._handed_over = True
        return sum(tap.held for tap in (self._sent, self._tap) if tap is not None)

    def dropped(self, why: Drop) -> None:
        """Nothing will be compared."""
        self._budget.give(self.hand_over())
        drop(self._route, why)

    def _elapsed_ms(self, ended: float) -> float:
        """What the side took, from the end of the request: a client may send and read as slowly as it likes."""
        begun = self._begun if self._sent is None else max(self._begun, self._sent.ended)
        return (ended - begun) * 1000


def _lacking(sent: Tap) -> Drop | None:
    """Why there is no copy of a request's body."""
    if sent.over:
        return Drop.BODY_TOO_LARGE
    if sent.starved:
        return Drop.BYTES
    return None if sent.whole else Drop.INCOMPLETE
