"""A WebSocket's way through: its handshake is decided like any request, then messages go both ways.

Nothing is collected here: a message is taken from one end when the other has room for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from gateway.failure import Failure
from gateway.message import Request
from gateway.proxy.entry import Entry
from gateway.proxy.hop import without_hop_by_hop
from gateway.proxy.ledger import Ledger
from gateway.proxy.receive import Message, Receive, Send
from gateway.proxy.respond import failure_body, failure_headers
from gateway.telemetry import log
from gateway.upstream.websocket import Declined, Opened

GOING_AWAY, INTERNAL = 1001, 1011  # RFC 6455 section 7.4.1
REFUSED: Final = 403  # what a server makes of a close before the socket is open (ASGI WebSocket spec)
_UNSENDABLE: Final = frozenset({1005, 1006, 1015})  # codes that say what was seen and are never sent


async def join(opened: Opened, receive: Receive, send: Send) -> None:
    """Accept the client's handshake with what the side answered, then pass messages until one end closes."""
    headers = list(without_hop_by_hop(opened.headers))
    try:
        with suppress(OSError):  # the client has left during the handshake (ASGI WebSocket spec 2.4)
            await send({"type": "websocket.accept", "subprotocol": opened.subprotocol, "headers": headers})
            await _pass_on(opened.socket, receive, send)
    finally:
        try:
            await opened.socket.close(GOING_AWAY)
        finally:
            opened.socket.transport.abort()  # also when this task is cancelled while the side takes its time


@contextmanager
def noted(send: Send, entry: Entry, ledger: Ledger) -> Iterator[Send]:
    """For an app's own socket: its handshake is taken down when it is answered; while it is open, it is counted."""
    opened = 0

    async def pass_on(message: Message) -> None:
        nonlocal opened
        match message["type"]:
            case "websocket.accept" if not opened:
                opened = 1
                ledger.websockets += opened
                entry.ends(101)
            case "websocket.close":
                entry.ends(REFUSED)
            case "websocket.http.response.start":
                entry.ends(message["status"])
        await send(message)

    try:
        yield pass_on
    finally:
        ledger.websockets -= opened


async def unless_left(
    opening: Coroutine[Any, Any, Opened | Declined | Failure], receive: Receive
) -> Opened | Declined | Failure:
    """What becomes of a handshake, which is given up when its client leaves: nothing else comes before the answer."""
    asking, leaving = asyncio.ensure_future(opening), asyncio.ensure_future(receive())
    try:
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return asking.result() if asking.done() else Failure.CLIENT_GONE
    finally:
        for task in (asking, leaving):
            task.cancel()
        await asyncio.gather(asking, leaving, return_exceptions=True)


async def decline(
    outcome: Declined | Failure, request: Request, send: Send, *, retry_after_s: int | None = None
) -> None:
    """Give the client the plain answer it gets instead of a socket (ASGI extension websocket.http.response)."""
    if isinstance(outcome, Failure):
        status, body = outcome.status, failure_body(outcome, request.id)
        ours = failure_headers(outcome, body, request.id, retry_after_s)
        headers = [header for header in without_hop_by_hop(ours) if header[0] != b"content-length"]
    else:
        status, headers, body = outcome.status, list(without_hop_by_hop(outcome.headers)), outcome.body
        headers = [header for header in headers if header[0].lower() != b"content-length"]
    headers.append((b"content-length", b"%d" % len(body)))
    with suppress(OSError):  # the client has left
        await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body, "more_body": False})


async def _pass_on(socket: ClientConnection, receive: Receive, send: Send) -> None:
    upward = asyncio.create_task(_client_to_side(receive, socket))
    downward = asyncio.create_task(_side_to_client(socket, send))
    try:
        await asyncio.wait({upward, downward}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        upward.cancel()
        downward.cancel()
        for ended in await asyncio.gather(upward, downward, return_exceptions=True):
            if isinstance(ended, Exception):  # the client hears 1001, the log hears why
                log("websocket_bug", level=logging.ERROR, bug=ended)


async def _client_to_side(receive: Receive, socket: ClientConnection) -> None:
    try:
        while True:
            message = await receive()
            if message["type"] == "websocket.receive":
                text = message.get("text")
                await socket.send(text if text is not None else message["bytes"])
            elif message["type"] == "websocket.disconnect":
                code = message.get("code", GOING_AWAY)
                await socket.close(GOING_AWAY if code in _UNSENDABLE else code, message.get("reason") or "")
                return
    except ConnectionClosed:  # the other direction brings the client what is left, and the news
        while (await receive())["type"] != "websocket.disconnect":
            pass


async def _side_to_client(socket: ClientConnection, send: Send) -> None:
    try:
        while True:
            message = await socket.recv()
            kind = "text" if isinstance(message, str) else "bytes"
            await send({"type": "websocket.send", kind: message})
    except ConnectionClosed as closed:
        frame = closed.rcvd
        code = INTERNAL if frame is None else frame.code
        reason = "" if frame is None else frame.reason
        with suppress(OSError):
            await send({"type": "websocket.close", "code": 1000 if code in _UNSENDABLE else code, "reason": reason})
    except OSError:
        return  # the client has gone, the other direction saw it
