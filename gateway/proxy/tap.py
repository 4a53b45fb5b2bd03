"""Stop 6: bodies flow through and leave bounded copies behind. The flow never waits for the copy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from time import perf_counter
from typing import Final

from gateway.failure import Failure
from gateway.message import ClientGone, Headers, Observation, OutboundRequest, Response, Side
from gateway.shadow.budget import Budget
from gateway.shadow.drop import Drop, drop
from gateway.shadow.stratum import MAX_BODY
from gateway.upstream.observe import announced

# What a side is to blame for when it does not answer; one that was not asked has said nothing, but a new side that is
# left alone leaves its clients without an answer.
_NOT_ASKED: Final = frozenset({Failure.LEGACY_UNAVAILABLE, Failure.LEGACY_BUSY, Failure.NEW_MISSING})
_OF_SIDE: Final = {
    side: frozenset(one for one in Failure if one.code.startswith(side.value)) - _NOT_ASKED for side in Side
}


class Kept:
    """A body as far as it is kept: whole, where it is no longer than `cap` and the budget has bytes for it, or not."""

    __slots__ = ("_body", "_budget", "_cap", "ended", "over", "starved", "whole")

    def __init__(self, cap: int, budget: Budget) -> None:
        self._body: bytes | bytearray = b""  # what comes in one piece is not copied
        self._budget, self._cap = budget, cap
        self.over = False  # longer than what is kept
        self.starved = False  # there were no bytes for it
        self.whole = False  # it has come to its end
        self.ended = 0.0  # when, by the performance counter

    def add(self, chunk: bytes) -> None:
        """A part has come."""
        if self.over or self.starved:
            return
        self.expect(len(self._body) + len(chunk))
        self.starved = not self.over and not self._budget.take(len(chunk))
        if self.starved:
            self._forget()
        elif not self.over:
            if self._body and isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += chunk

    def expect(self, length: int) -> None:
        """It will be so long at least."""
        if length > self._cap:
            self.over = True
            self._forget()  # a part of it can be compared with nothing

    def end(self) -> None:
        """The last part has come."""
        self.whole, self.ended = True, perf_counter()

    async def flow(self, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """A body that somebody reads, unchanged, kept on its way."""
        async for chunk in source:
            self.add(chunk)
            yield chunk
        self.end()

    def leave(self) -> int:
        """Keep no more, whatever still comes; so many bytes of the budget are somebody else's to give back."""
        held, self._body, self.over = len(self._body), b"", True
        return held

    def _forget(self) -> None:
        self._budget.give(len(self._body))
        self._body = b""

    @property
    def body(self) -> bytes:
        """What was kept."""
        return bytes(self._body)

    @property
    def lacks(self) -> Drop | None:
        """Why it is not kept, None as long as it is."""
        if self.over:
            return Drop.BODY_TOO_LARGE
        return Drop.BYTES if self.starved else None


class Capture:
    """Both bodies of an exchange that will be compared, and when what came.

    The app hands it requests and responses (`request`, `answer`); the edge tells it what passes (`begin`, `head`, and
    `answered` for the body). At the end `hand_over` what it holds, or say that it is `dropped`.
    """

    __slots__ = ("_asked", "_cap", "_head", "_sent", "_whole", "answered", "budget", "open", "route", "side")

    def __init__(self, route: str, side: Side, *, cap: int, budget: Budget) -> None:
        self.route, self.side, self.budget, self._cap = route, side, budget, cap
        self.answered = Kept(cap, budget)
        self.open = True  # nobody has said yet what becomes of it
        self._sent: Kept | None = None
        self._head: tuple[int, Headers] | None = None
        self._whole: bytes | None = None  # an answer that came in one piece: it is not copied
        self._asked = perf_counter()

    def ended(self, raised: BaseException | None) -> None:
        """The exchange is over; if nobody has said what becomes of this, nothing does."""
        if self.open:
            gone = isinstance(raised, ClientGone | asyncio.CancelledError)
            self.dropped(Drop.CLIENT_GONE if gone else Drop.BUG)

    def begin(self) -> None:
        """The side is asked now."""
        self._asked = perf_counter()

    def request(self, outbound: OutboundRequest) -> OutboundRequest:
        """The request as it leaves now, its body kept on its way."""
        self.begin()
        if outbound.body is None or isinstance(outbound.body, bytes):
            return outbound
        self._sent = Kept(self._cap, self.budget)
        return outbound._replace(body=self._sent.flow(outbound.body))

    def head(self, status: int, headers: Headers, length: int) -> None:
        """The answer's head is here; so long a body will follow, 0 where nobody knows."""
        self._head = status, headers
        self.answered.expect(length)

    def answer(self, method: str, answer: Response) -> Response:
        """The answer whose head is here, its body kept on its way."""
        if answer.whole is None:
            self.head(answer.status, answer.headers, announced(method, answer))
            return replace(answer, body=self.answered.flow(answer.body))
        self.head(answer.status, answer.headers, len(answer.whole))
        self._whole = answer.whole
        self.answered.end()
        return answer

    def observation(self, failure: Failure | None) -> Observation | Drop:
        """The answer, frozen, now that the client has it; or why there is nothing to compare.

        `failure` is what the client got in place of an answer, or of its end. One of the side's own is its answer.
        """
        if self._sent is not None and (why := _lacking(self._sent)) is not None:
            return why
        if failure is not None:
            if failure not in _OF_SIDE[self.side]:
                return Drop.CLIENT_GONE if failure is Failure.CLIENT_GONE else Drop.INCOMPLETE
            return Observation(self.side, None, (), b"", self._took_ms(perf_counter()), failure)
        answered = self.answered
        if answered.starved or self._head is None or not answered.whole:
            return Drop.BYTES if answered.starved else Drop.INCOMPLETE
        body = answered.body if self._whole is None or answered.over else self._whole
        took_ms = self._took_ms(answered.ended)
        return Observation(self.side, *self._head, body, took_ms, truncated=answered.over)

    @property
    def status(self) -> int | None:
        """The answer's, None where it never began."""
        return None if self._head is None else self._head[0]

    @property
    def body(self) -> bytes | None:
        """The request's body, for the copy."""
        return None if self._sent is None else self._sent.body

    @property
    def has_request(self) -> bool:
        """Whether the whole request is known."""
        return self._sent is None or _lacking(self._sent) is None

    def hand_over(self) -> int:
        """What was kept is somebody else's to let go of; so many bytes of the budget were taken for it."""
        self.open = False
        return self.answered.leave() + (0 if self._sent is None else self._sent.leave())

    def dropped(self, why: Drop) -> None:
        """Nothing will be compared."""
        self.budget.give(self.hand_over())
        drop(self.route, why)

    def _took_ms(self, ended: float) -> float:
        """What the side took, from the end of the request: a client may send and read as slowly as it likes."""
        begun = self._asked if self._sent is None else max(self._asked, self._sent.ended)
        return (ended - begun) * 1000


class Noted(Capture):
    """An exchange with legacy that nobody compares: all that is kept is what kind of request it was, and its status.

    `body` is the request's, where somebody has read it already.
    """

    __slots__ = ("_known",)

    def __init__(self, route: str, *, budget: Budget, body: bytes | None = None) -> None:
        super().__init__(route, Side.LEGACY, cap=MAX_BODY, budget=budget)
        self.answered = Kept(0, budget)
        self._known = body

    def request(self, outbound: OutboundRequest) -> OutboundRequest:
        """The request as it leaves now."""
        return outbound if self._known is not None else super().request(outbound)

    def answer(self, method: str, answer: Response) -> Response:
        """The answer whose head is here; its body is nobody's concern."""
        self.head(answer.status, answer.headers, 0)
        return answer

    @property
    def body(self) -> bytes | None:
        """The request's body."""
        return super().body if self._known is None else self._known

    def dropped(self, why: Drop) -> None:
        """Its client left: nothing was to be compared, so nothing is lost."""
        self.budget.give(self.hand_over())


def _lacking(sent: Kept) -> Drop | None:
    """Why there is no copy of a request's body."""
    return sent.lacks or (None if sent.whole else Drop.INCOMPLETE)
