"""Asking a side and freezing what it says: for copies and for contract runs, never for a client's answer."""

from __future__ import annotations

import asyncio
from time import perf_counter

from gateway.failure import Failure
from gateway.message import BodyCut, Observation, OutboundRequest, Response, Side
from gateway.upstream.transport import Transport, failure_of


async def observe(
    side: Side, transport: Transport, request: OutboundRequest, *, timeout_s: float, cap: int
) -> Observation:
    """Ask a side and read its whole answer within `timeout_s`, keeping at most `cap` bytes of the body."""
    begun = perf_counter()

    def failed(failure: Failure) -> Observation:
        return Observation(side, None, (), b"", (perf_counter() - begun) * 1000, failure)

    try:
        async with asyncio.timeout(timeout_s):
            answer = await transport.send(request, timeout_s=timeout_s)
            if isinstance(answer, Failure):
                return failed(answer)
            try:
                body, truncated = await _read(answer, cap)
            finally:
                await answer.close()
    except TimeoutError:
        return failed(failure_of(side, "TIMEOUT"))
    except BodyCut as cut:
        return failed(cut.failure)
    elapsed_ms = (perf_counter() - begun) * 1000
    return Observation(side, answer.status, answer.headers, body, elapsed_ms, truncated=truncated)


async def _read(answer: Response, cap: int) -> tuple[bytes, bool]:
    body = bytearray()
    async for chunk in answer.body:
        if len(body) + len(chunk) > cap:
            body += chunk[: cap - len(body)]
            return bytes(body), True
        body += chunk
    return bytes(body), False
