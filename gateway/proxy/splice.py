"""A WebSocket of the edge: its handshake goes to a side like any request; after the 101 bytes pass both ways unread.

What is not looked at cannot be changed: fragments, pings, close codes, extensions and sub-protocols are between the
client and the side (ADR 0009).
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from gateway.failure import Failure
from gateway.message import Header, Side
from gateway.proxy import wire
from gateway.proxy.client_end import ClientEnd, Patience
from gateway.proxy.handshake import Handshake
from gateway.proxy.respond import failure_bytes, headers_for_client
from gateway.proxy.wire import Framing
from gateway.relay.answer import AnswerReader
from gateway.relay.origin_end import OriginEnd, open_upgrade
from gateway.relay.trouble import Trouble
from gateway.relay.upgrade import SWITCHING, UpgradeReader
from gateway.telemetry import count, log, request_id

if TYPE_CHECKING:
    from gateway.proxy.edge import Edge
    from gateway.proxy.relaying import ByWire

PROTOCOL: Final = b"websocket"
CLOSE_S: Final = 2.0  # for the closing handshake when the process ends, at most; half of the drain when that is less


def splice(edge: Edge, errand: ByWire, early: bytes) -> None:
    """Take a handshake over from the edge, with what came after its head; from here on the edge is out of it."""
    budget = edge.config.timeout_graceful_shutdown
    patience = Patience(
        idle_s=errand.gateway.limits.websocket_idle_s, close_s=CLOSE_S if budget is None else min(CLOSE_S, budget / 2)
    )
    client = ClientEnd(edge.loop, edge.connections, patience)
    edge.connections.discard(edge)
    client.adopt(edge.transport, early)
    client.opening = task = edge.loop.create_task(_open(client, errand))
    edge.tasks.add(task)
    task.add_done_callback(edge.tasks.discard)


async def _open(client: ClientEnd, errand: ByWire) -> None:
    """Ask the side, and tell the client what it says."""
    request_id.set(errand.request.id)
    seen, status, failure = Handshake(errand), Failure.CLIENT_GONE.status, None
    origin: OriginEnd | Trouble | None = None
    try:
        origin = await open_upgrade(
            errand.transport.pool.dial, _asking(errand, seen.asks()), protocol=PROTOCOL, timeout_s=errand.timeout_s
        )
        status, failure = _answer(client, errand, origin)
    except asyncio.CancelledError:  # the client has gone, or the process ends
        failure = Failure.CLIENT_GONE
        count("client_gone")
        client.transport.abort()
        raise
    except Exception as bug:  # noqa: BLE001 - as at the ASGI edge: nobody else would tell the client
        log("gateway_bug", level=logging.ERROR, bug=bug)
        if isinstance(origin, OriginEnd):
            origin.transport.abort()
        failure = Failure.GATEWAY_BUG
        status = failure.status
        client.end_with(failure_bytes(failure, errand.request.id))
    finally:
        client.opening = None
        seen.ends(status, failure)


def _answer(client: ClientEnd, errand: ByWire, origin: OriginEnd | Trouble) -> tuple[int, Failure | None]:
    """Tell the client what became of its handshake: the status it hears, and why that is ours if it is."""
    request, decision = errand.request, errand.routed.decision
    side = decision.authoritative if errand.gateway.names_side else None
    if isinstance(origin, Trouble):
        failure = errand.transport.failure(origin)
        _log(errand, "request_failed", origin)
        client.end_with(failure_bytes(failure, request.id, retry_after_s=errand.transport.retry_after_s(failure)))
        return failure.status, failure
    reader = cast(UpgradeReader, origin.reader)
    heads = [wire.head(*interim, Framing.BODILESS, keep=True) for interim in reader.interim]
    if reader.accepted:
        headers = accepted_headers(reader.headers, request.id, side)
        heads.append(wire.head(SWITCHING, reader.reason, headers, Framing.BODILESS, keep=True))
        client.open(b"".join(heads), origin, reader.rest)
        _count_open(client, errand)
        return SWITCHING, None
    answer = cast(AnswerReader, reader.answer)
    framing = wire.framing_of(request.method, answer.status, sized=answer.length >= 0, version="1.1")
    headers = headers_for_client(answer.headers, request.id, side)
    heads.append(wire.head(answer.status, answer.reason, headers, framing, keep=False))
    client.refuse(b"".join(heads), origin, framing, errand.transport.idle_s, partial(_log, errand, "answer_cut"))
    return answer.status, None


def accepted_headers(headers: list[Header], request_id: str, side: Side | None) -> list[Header]:
    """The headers of a 101: the two of this connection anew, all others in their order and spelling, and ours."""
    upgrade = next(value for name, value in headers if name.lower() == b"upgrade")
    return [(b"Upgrade", upgrade), (b"Connection", b"Upgrade"), *headers_for_client(headers, request_id, side)]


def _asking(errand: ByWire, head: bytes) -> bytes:
    """The request as any other, and the two headers of its connection that make it a handshake."""
    headers = errand.request.headers
    upgrade = next(value for name, value in headers if name == b"upgrade" and value.lower() == PROTOCOL)
    return head[:-2] + b"upgrade: %b\r\nconnection: Upgrade\r\n\r\n" % upgrade


def _log(errand: ByWire, event: str, trouble: Trouble) -> None:
    failure, routed = errand.transport.failure(trouble), errand.routed
    count(f"failure.{failure.code}")
    log(
        event,
        level=logging.WARNING,
        code=failure.code,
        route=routed.key,
        side=routed.decision.authoritative,
        reason=routed.decision.reason,
        request_id=errand.request.id,
    )


def _count_open(client: ClientEnd, errand: ByWire) -> None:
    """One more open WebSocket, until it is over."""
    ledger = errand.gateway.ledger
    ledger.websockets += 1

    def one_less() -> None:
        ledger.websockets -= 1

    client.on_over = one_less
