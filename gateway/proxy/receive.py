"""Stop 1: an ASGI scope becomes a Request, or the failure that says why it may not."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import uuid4

from gateway.failure import Failure
from gateway.message import ClientGone, Headers, Request
from gateway.proxy.peer import Peer, identify
from gateway.settings import Network

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TARGET_EXTENSION: Final = "strangler.target"  # set by our uvicorn protocol: the target as it stood on the wire
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._~+/=:-]{1,128}")


class Client:
    """The client's end of one exchange: its request body, and the news that it has gone."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._body_read = asyncio.Event()

    async def body(self) -> AsyncIterator[bytes]:
        """The request body as it comes; ClientGone when the client leaves before its end."""
        while not self._body_read.is_set():
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._body_read.set()
                raise ClientGone
            if not message.get("more_body", False):
                self._body_read.set()
            if chunk := message.get("body", b""):
                yield chunk

    @asynccontextmanager
    async def connected(self, *, has_body: bool) -> AsyncIterator[None]:
        """Run a block for as long as the client stays: when it goes, the block is cancelled with ClientGone."""
        if not has_body:
            self._body_read.set()
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as block:
                watch = loop.create_task(self._gone())
                watch.add_done_callback(lambda task: None if task.cancelled() else block.reschedule(loop.time()))
                try:
                    yield
                finally:
                    watch.cancel()
        except TimeoutError:
            raise ClientGone from None

    async def _gone(self) -> None:
        await self._body_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def read(scope: Scope, client: Client, *, trusted: Sequence[Network]) -> tuple[Request, Peer]:
    """Read a scope: the bytes as they came, the client by the trusted-proxy rule, a request id."""
    headers: Headers = tuple((bytes(name), bytes(value)) for name, value in scope["headers"])
    address = scope["client"][0] if scope.get("client") else ""
    peer = identify(address, _http_scheme(scope["scheme"]), headers, trusted)
    target = _target(scope)
    request = Request(
        id=_request_id(headers),
        method=scope.get("method", "GET"),
        target=target,
        path=target.partition(b"?")[0],
        headers=headers,
        scheme=peer.scheme,
        client_ip=peer.client_ip,
        body=client.body() if has_body(headers) else None,
    )
    return request, peer


def refusal(request: Request, pseudonym: bytes) -> Failure | None:
    """Why a request goes no further: it has been here before, or two readers would read it differently."""
    hosts = framings = 0
    for name, value in request.headers:
        if name == b"via" and pseudonym in value:
            return Failure.LOOP
        hosts += name == b"host"
        framings += name in (b"content-length", b"transfer-encoding")
    if hosts > 1 or framings > 1 or (not request.path.startswith(b"/") and request.target != b"*"):
        return Failure.BAD_REQUEST
    return None


def has_body(headers: Headers) -> bool:
    """Whether the framing announces a body (RFC 9112 section 6.3)."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0") != b"")
        for name, value in headers
    )


def _target(scope: Scope) -> bytes:
    as_sent = (scope.get("extensions") or {}).get(TARGET_EXTENSION)
    if isinstance(as_sent, bytes):
        return as_sent
    path = scope.get("raw_path") or scope["path"].encode("utf-8")
    query = scope.get("query_string", b"")
    return bytes(path + b"?" + query if query else path)


def _request_id(headers: Headers) -> str:
    came = next((value for name, value in headers if name == b"x-request-id"), b"")
    return came.decode("ascii") if _REQUEST_ID.fullmatch(came) else uuid4().hex


def _http_scheme(scheme: str) -> str:
    return {"ws": "http", "wss": "https"}.get(scheme, scheme)
