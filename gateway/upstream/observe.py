"""Asking a side and freezing what it says: for copies and for contract runs, never for a client's answer."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Final

from gateway.failure import Failure
from gateway.message import BodyCut, Observation, OutboundRequest, Response, Side
from gateway.upstream.transport import Transport, failure_of

# The transport gives up on a head before the time in all is over, so that its breaker hears of a side that hangs;
# it keeps its deadlines to a tenth of a second.
EARLY_S: Final = 0.3
MOST_DIGITS: Final = 18  # of a length; the relay refuses longer ones


async def observe(
    side: Side, transport: Transport, request: OutboundRequest, *, timeout_s: float, cap: int
) -> Observation:
    """Ask a side and read its whole answer within `timeout_s`; one over `cap` bytes is let go of where that shows."""
    begun = perf_counter()

    def failed(failure: Failure, *, cut: bool = False) -> Observation:
        return Observation(side, None, (), b"", (perf_counter() - begun) * 1000, failure, truncated=cut)

    try:
        async with asyncio.timeout(timeout_s):
            answer = await transport.send(request, timeout_s=head_s(timeout_s))
            if isinstance(answer, Failure):
                return failed(answer)
            try:
                body = await _read(request.method, answer, cap)
            finally:
                await answer.close()
    except TimeoutError:
        return failed(failure_of(side, "TIMEOUT"))
    except BodyCut as cut:
        return failed(cut.failure, cut=True)
    elapsed_ms = (perf_counter() - begun) * 1000
    return Observation(side, answer.status, answer.headers, body or b"", elapsed_ms, truncated=body is None)


def head_s(timeout_s: float) -> float:
    """What of the time in all is left to an answer's head."""
    return max(timeout_s - EARLY_S, timeout_s / 2)


async def _read(method: str, answer: Response, cap: int) -> bytes | None:
    """The body; None where it is over the cap: a part of it can be compared with nothing."""
    if answer.whole is not None:
        return answer.whole if len(answer.whole) <= cap else None
    if announced(method, answer) > cap:
        return None
    body = bytearray()
    async for chunk in answer.body:
        if len(body) + len(chunk) > cap:
            return None
        body += chunk
    return bytes(body)


def announced(method: str, answer: Response) -> int:
    """The length of the body that is still to come, as its head tells it; 0 where it does not."""
    if method == "HEAD" or answer.status in (204, 304):
        return 0
    for name, value in answer.headers:
        if len(name) == 14 and name.lower() == b"content-length":
            return int(value) if len(value) <= MOST_DIGITS and value.isdigit() else 0
    return 0
