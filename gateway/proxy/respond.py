"""Stop 7: the outcome goes to the client, chunk by chunk. The one place where a failure becomes an answer."""

from __future__ import annotations

import json
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from gateway.failure import Failure
from gateway.message import BodyCut, Headers, Request, Response, Side
from gateway.proxy.hop import without_hop_by_hop
from gateway.proxy.receive import Send

OURS: Final = b"x-strangler-"  # nobody but the gateway says who answered


@dataclass(frozen=True, slots=True)
class Sent:
    """What the client was sent. `whole` is false when the answer broke off; its connection is then cut."""

    status: int
    bytes: int
    first_byte_ms: float
    whole: bool
    failure: Failure | None = None


async def write(send: Send, outcome: Response | Failure, request: Request, *, side: Side | None, begun: float) -> Sent:
    """Send an answer. `side` None leaves x-strangler-side out."""
    if isinstance(outcome, Failure):
        return await _write_failure(send, outcome, request, begun=begun)
    kept = [header for header in without_hop_by_hop(outcome.headers) if not header[0].lower().startswith(OURS)]
    headers = (*kept, *_added(outcome.headers, request, side))
    count, first_byte_ms = 0, 0.0
    try:
        await send({"type": "http.response.start", "status": outcome.status, "headers": headers})
        first_byte_ms = (perf_counter() - begun) * 1000
        async for chunk in outcome.body:
            count += len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except BodyCut as cut:
        return Sent(outcome.status, count, first_byte_ms, whole=False, failure=cut.failure)
    finally:
        await outcome.close()
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return Sent(outcome.status, count, first_byte_ms, whole=True)


async def _write_failure(send: Send, failure: Failure, request: Request, *, begun: float) -> Sent:
    body = failure_body(failure, request.id)
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-request-id", request.id.encode()),
    ]
    if failure.status < 500:
        headers.append((b"connection", b"close"))  # what else the client sends may not be framed as we think
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
    return Sent(failure.status, len(body), (perf_counter() - begun) * 1000, whole=True, failure=failure)


def failure_body(failure: Failure, request_id: str) -> bytes:
    """What a client reads when the gateway answers itself: a sentence, a stable code, the request id."""
    return json.dumps({"error": failure.sentence, "code": failure.code, "request_id": request_id}).encode()


def _added(headers: Headers, request: Request, side: Side | None) -> Headers:
    added: Headers = ()
    if not any(name.lower() == b"x-request-id" for name, _ in headers):
        added = ((b"x-request-id", request.id.encode()),)
    return added if side is None else (*added, (b"x-strangler-side", side.encode()))
