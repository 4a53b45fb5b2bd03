"""Stop 1: an ASGI scope becomes a Request, or the failure that says why it may not."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from gateway.failure import Failure
from gateway.message import ClientGone, Headers, Request
from gateway.proxy.peer import Peer, identify
from gateway.settings import Network

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TARGET_EXTENSION: Final = "strangler.target"  # bytes, set by our door: the target as it stood on the wire
AUTHORITY_EXTENSION: Final = "strangler.authority"  # bytes or None, set by our door: of a target in absolute form
REQUEST_EXTENSION: Final = "strangler.request"  # (Request, Peer), set by our door, which has read them already
GONE_EXTENSION: Final = "strangler.gone"  # a future, set by our door: done when the client's connection is lost
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_HOST: Final = re.compile(rb"([A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_random_bits: Final = random.Random().getrandbits  # noqa: S311 - seeded by the system; an id is no secret
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._~+/=:-]{1,128}")


class Client:
    """The client's end of one exchange: its request body, and the news that it has gone."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._gone_future: asyncio.Future[None] | None = (scope.get("extensions") or {}).get(GONE_EXTENSION)
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
        gone = self._gone_future or loop.create_task(self._hear_of_leaving())
        inside = True

        def leave(_: asyncio.Future[None]) -> None:
            if inside and not gone.cancelled():
                block.reschedule(loop.time())

        try:
            async with asyncio.timeout(None) as block:
                gone.add_done_callback(leave)
                try:
                    yield
                finally:
                    inside = False
                    gone.remove_done_callback(leave)
                    if self._gone_future is None:
                        gone.cancel()
        except TimeoutError:
            raise ClientGone from None

    async def _hear_of_leaving(self) -> None:
        """For servers without our door: after the body, what `receive` says next is that the client has gone."""
        await self._body_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def read(scope: Scope, client: Client, *, trusted: Sequence[Network]) -> tuple[Request, Peer]:
    """Read a scope: the bytes as they came, the client by the trusted-proxy rule, a request id."""
    known: tuple[Request, Peer] | None = (scope.get("extensions") or {}).get(REQUEST_EXTENSION)
    if known is not None:
        request, peer = known
        return (request if request.body is None else replace(request, body=client.body())), peer
    headers: Headers = tuple((bytes(name), bytes(value)) for name, value in scope["headers"])
    address = scope["client"][0] if scope.get("client") else ""
    peer = identify(address, _http_scheme(scope["scheme"]), headers, trusted)
    target = _target(scope)
    request = Request(
        id=request_id_of(headers),
        method=scope.get("method", "GET"),
        target=target,
        path=path_of(target),
        headers=headers,
        scheme=peer.scheme,
        client_ip=peer.client_ip,
        body=client.body() if has_body(headers) else None,
    )
    return request, peer


def refusal(request: Request, *, version: str, authority: bytes | None, pseudonym: bytes) -> Failure | None:
    """Why a request goes no further: it has been here before, or two readers would read it differently."""
    hosts: list[bytes] = []
    framings = 0
    for name, value in request.headers:
        if name == b"via" and pseudonym in value:
            return Failure.LOOP
        if name == b"host":
            hosts.append(value)
        elif name == b"transfer-encoding" and value.lower() != b"chunked":
            return Failure.BAD_REQUEST  # another coding would have to be undone here, an odd spelling hides one
        framings += name in (b"content-length", b"transfer-encoding")
    sane = (
        framings <= 1
        and _names_one_host(hosts, version)
        and (authority is None or authority.lower() == b"".join(hosts).lower())
        and (request.path.startswith(b"/") or request.target == b"*")
    )
    return None if sane else Failure.BAD_REQUEST


def _names_one_host(hosts: list[bytes], version: str) -> bool:
    """One Host, and nothing but a host in it; HTTP/1.0 need not send one (RFC 9112 section 3.2)."""
    if not hosts:
        return version == "1.0"
    return version in ("1.0", "1.1") and len(hosts) == 1 and _HOST.fullmatch(hosts[0]) is not None


def version_and_authority(scope: Scope) -> tuple[str, bytes | None]:
    """The HTTP version, and the authority of a target in absolute form."""
    return scope.get("http_version", "1.1"), (scope.get("extensions") or {}).get(AUTHORITY_EXTENSION)


def split_target(as_sent: bytes) -> tuple[bytes | None, bytes]:
    """Authority and origin form of a target; the authority is None unless it is in absolute form (RFC 9112, 3.2)."""
    absolute = _ABSOLUTE.match(as_sent)
    if absolute is None:
        return None, as_sent
    rest = as_sent[absolute.end() :]
    return absolute.group(1), rest if rest.startswith(b"/") else b"/" + rest


def path_of(target: bytes) -> bytes:
    """The path of a target, percent-encoded as sent; a fragment has no place there, and Express cuts it off, too."""
    path = target.partition(b"?")[0]
    return path.partition(b"#")[0] if b"#" in path else path


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


def request_id_of(headers: Headers) -> str:
    """The id that came with a request, or a new one: 128 random bits in hex; it names, it opens nothing."""
    for name, value in headers:
        if name == b"x-request-id":
            return value.decode("ascii") if _REQUEST_ID.fullmatch(value) else new_request_id()
    return new_request_id()


def new_request_id() -> str:
    """128 random bits in hex."""
    return f"{_random_bits(128):032x}"


def _http_scheme(scheme: str) -> str:
    return {"ws": "http", "wss": "https"}.get(scheme, scheme)
