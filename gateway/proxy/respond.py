"""Stop 7: the outcome goes to the client, chunk by chunk. The one place where a failure becomes an answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from time import perf_counter
from typing import Any, Final
from uuid import uuid4

from gateway.failure import Failure
from gateway.message import BodyCut, Header, Request, Response, Side
from gateway.proxy import wire
from gateway.proxy.hop import HOP_BY_HOP, Kinds, named_by
from gateway.proxy.receive import Message, OurDoor, Send
from gateway.proxy.wire import Framing

OURS: Final = b"x-strangler-"  # nobody but the gateway says who answered
_SIDE_HEADERS: Final = {side: (b"x-strangler-side", side.encode()) for side in Side}
_GOES_ON, _STAYS, _CONNECTION, _REQUEST_ID = range(4)


@dataclass(slots=True)
class Sent:
    """What the client was sent. `whole` is false when the answer broke off; its connection is then cut."""

    status: int
    bytes: int
    first_byte_ms: float
    whole: bool
    failure: Failure | None = None


async def write(
    send: Send,
    outcome: Response | Failure,
    request: Request,
    *,
    side: Side | None,
    begun: float,
    retry_after_s: int | None = None,
    door: OurDoor | None = None,
) -> Sent:
    """Send an answer. `side` None leaves x-strangler-side out, `retry_after_s` None says what the failure says.

    A `door` of ours is asked first whether it takes a whole answer.
    """
    if isinstance(outcome, Failure):
        return await _write_failure(send, outcome, request, begun=begun, retry_after_s=retry_after_s)
    whole = outcome.whole
    if (
        door is not None
        and whole is not None
        and not outcome.interim
        and door.answers_at_once(outcome, whole, request.id, side)
    ):  # nothing is open that would have to be closed
        return Sent(outcome.status, len(whole), (perf_counter() - begun) * 1000, whole=True)
    count, first_byte_ms = 0, 0.0
    try:
        for status, reason, headers in outcome.interim:
            await send({"type": "strangler.interim", "status": status, "reason": reason, "headers": headers})
        await send(start_of(outcome, request.id, side))
        first_byte_ms = (perf_counter() - begun) * 1000
        async for chunk in outcome.body:
            count += len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except BodyCut as cut:
        return Sent(outcome.status, count, first_byte_ms, whole=False, failure=cut.failure)
    finally:
        await outcome.close()
    await send(end_of(b"", outcome))
    return Sent(outcome.status, count, first_byte_ms, whole=True)


def only_asgi(send: Send) -> Send:
    """A `send` for servers that know ASGI's own messages and no 1xx answers."""

    async def pass_on(message: Message) -> None:
        if message["type"] != "strangler.interim":
            await send(message)

    return pass_on


def start_of(answer: Response, request_id: str, side: Side | None) -> dict[str, Any]:
    """The message that begins an answer."""
    start = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": headers_for_client(answer.headers, request_id, side),
    }
    if answer.reason is not None:
        start["reason"] = answer.reason
    return start


def end_of(body: bytes, answer: Response) -> dict[str, Any]:
    """The message that ends it."""
    end = {"type": "http.response.body", "body": body, "more_body": False}
    if answer.trailers:
        end["trailers"] = answer.trailers
    return end


def headers_for_client(headers: Sequence[Header], request_id: str, side: Side | None) -> list[Header]:
    """A side's headers without hop-by-hop ones and our own, then the request's id (unless told) and who answered."""
    kinds, kept, has_id = _KINDS, [], False
    named: frozenset[bytes] = frozenset()
    for header in headers:
        kind = kinds[header[0]]
        if not kind:
            kept.append(header)
        elif kind == _CONNECTION:
            named |= named_by(header[1])
        elif kind == _REQUEST_ID:
            has_id = True
            kept.append(header)
    if named:
        kept = [header for header in kept if header[0].lower() not in named]
    if not has_id:
        kept.append((b"x-request-id", request_id.encode()))
    if side is not None:
        kept.append(_SIDE_HEADERS[side])
    return kept


def head_for_client(
    status: int,
    reason: bytes | None,
    headers: Sequence[Header],
    framing: Framing,
    *,
    request_id: str,
    side: Side | None,
    keep: bool,
) -> bytes:
    """The bytes of an answer's head: `wire.head` of `headers_for_client`, at a glance where the headers came before."""
    known = _LINES
    lines = [known[header] for header in headers]
    if _LOOK in lines:
        return wire.head(status, reason, headers_for_client(headers, request_id, side), framing, keep=keep)
    lines += (b"x-request-id: ", request_id.encode(), _SIDE_LINES[side], wire.ENDINGS[framing, keep])
    return wire.STARTS[status, reason] + b"".join(lines)


class _Lines(dict[Header, bytes]):
    """Headers as the lines that a client is sent; empty where it stays behind, `_LOOK` where more hangs on it."""

    def __missing__(self, header: Header) -> bytes:
        kind = _KINDS[header[0]]
        if kind == _REQUEST_ID or (kind == _CONNECTION and named_by(header[1])):
            return _LOOK
        line = b"" if kind else b"%b: %b\r\n" % header
        if len(line) <= _LONGEST:
            if len(self) >= _MOST:
                self.clear()
            self[header] = line
        return line


def _kind_of(name: bytes) -> int:
    if name == b"connection":
        return _CONNECTION
    if name == b"x-request-id":
        return _REQUEST_ID
    return _STAYS if name in HOP_BY_HOP or name.startswith(OURS) else _GOES_ON


_KINDS: Final = Kinds(_kind_of)
_MOST: Final = 2_000  # headers; an origin invents them (dates, tags) faster than they are worth remembering
_LONGEST: Final = 1_024  # bytes of a line that is remembered
_LOOK: Final = b"\0"
_LINES: Final = _Lines()
_SIDE_LINES: Final[dict[Side | None, bytes]] = {
    None: b"\r\n",
    **{side: b"\r\nx-strangler-side: %b\r\n" % side.encode() for side in Side},
}


async def _write_failure(
    send: Send, failure: Failure, request: Request, *, begun: float, retry_after_s: int | None
) -> Sent:
    body = failure_body(failure, request.id)
    headers = failure_headers(failure, body, request.id, retry_after_s)
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
    return Sent(failure.status, len(body), (perf_counter() - begun) * 1000, whole=True, failure=failure)


def failure_headers(failure: Failure, body: bytes, request_id: str, retry_after_s: int | None = None) -> list[Header]:
    """The headers of an answer of the gateway's own."""
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"date", formatdate(usegmt=True).encode()),  # nobody else has answered (RFC 9110 section 6.6.1)
        (b"x-request-id", request_id.encode()),
    ]
    if (after := retry_after_s or failure.retry_after_s) is not None:
        headers.append((b"retry-after", b"%d" % after))
    if failure.status < 500:
        headers.append((b"connection", b"close"))  # what else the client sends may not be framed as we think
    return headers


def failure_body(failure: Failure, request_id: str) -> bytes:
    """What a client reads when the gateway answers itself: a sentence, a stable code, the request id."""
    return json.dumps({"error": failure.sentence, "code": failure.code, "request_id": request_id}).encode()


def failure_bytes(
    failure: Failure,
    request_id: str = "",
    *,
    keep: bool = False,
    head_only: bool = False,
    retry_after_s: int | None = None,
) -> bytes:
    """A whole answer of the gateway's own; the connection goes on after it when `keep`."""
    body = failure_body(failure, request_id := request_id or uuid4().hex)
    headers = failure_headers(failure, body, request_id, retry_after_s)
    headers = [header for header in headers if header[0] != b"connection"]
    head = wire.head(failure.status, None, headers, Framing.SIZED, keep=keep)
    return head if head_only else head + body
