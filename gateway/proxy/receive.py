"""Stop 1: an ASGI scope becomes a Request, or the failure that says why it may not."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import replace
from itertools import count
from secrets import token_hex
from types import TracebackType
from typing import Any, Final, Protocol, cast

from gateway.failure import Failure
from gateway.message import ClientGone, Request, Response, Side
from gateway.proxy.arrival import CODING, HOST, LENGTH, TELLS_ID, TWICE, VIA, Arrival, Head
from gateway.proxy.peer import Trust, identify

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

TARGET_EXTENSION: Final = "strangler.target"  # bytes, set by our WebSockets: the target as it stood on the wire
DOOR: Final = "strangler.door"  # an OurDoor, set by servers of ours
_ABSOLUTE: Final = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_HOST: Final = re.compile(rb"([A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_REWRITTEN: Final = re.compile(rb"[\\']")  # in a URL, not in a path: `\` is `/` to it, and `'` is `%27`
_MOST_HOSTS: Final = 1_000
_LONGEST_HOST: Final = 256  # bytes of one that is remembered
_PROCESS: Final = token_hex(10)
_numbers: Final = count((1 << 48) + 1)  # a digit in front of twelve
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._~+/=:-]{1,128}")


LONGEST_LENGTH: Final = 18  # digits; one more, and some reader's integer is full
_NOTHING: Final[dict[str, Any]] = {}


class OurDoor(Protocol):
    """What a server of ours knows and can beside ASGI's messages."""

    @property
    def arrival(self) -> Arrival:
        """The request; its head has been read."""

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the client's connection is lost."""

    def answers_at_once(self, answer: Response, body: bytes, request_id: str, side: Side | None) -> bool:
        """Write a whole answer in one piece where that is safe; False, and nothing is written, where it is not."""


class Stay:
    """A block of the current task that ends with ClientGone when `gone` is done; `ours`: nobody else waits for that."""

    __slots__ = ("_gone", "_left", "_ours", "_task")

    def __init__(self, gone: asyncio.Future[None], *, ours: bool) -> None:
        self._gone, self._ours, self._left = gone, ours, False
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())

    def __enter__(self) -> None:
        self._gone.add_done_callback(self._leave)

    def __exit__(self, _: type[BaseException] | None, raised: BaseException | None, __: TracebackType | None) -> None:
        self._gone.remove_done_callback(self._leave)
        if self._ours:
            self._gone.cancel()
        if self._left and self._task.uncancel() == 0 and isinstance(raised, asyncio.CancelledError):
            raise ClientGone from None

    def _leave(self, gone: asyncio.Future[None]) -> None:
        if not gone.cancelled():
            self._left = True
            self._task.cancel()


class Client:
    """The client's end of one exchange: its request body, and the news that it has gone."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self.door: OurDoor | None = (scope.get("extensions") or _NOTHING).get(DOOR)
        self._whole = False  # the body has been read, or there is none
        self._on_whole: asyncio.Event | None = None  # for servers without our door

    @property
    def is_whole(self) -> bool:
        """Whether its request is here to the end."""
        return self._whole

    async def body(self) -> AsyncIterator[bytes]:
        """The request body as it comes; ClientGone when the client leaves before its end."""
        while not self._whole:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._is_whole()
                raise ClientGone
            if not message.get("more_body", False):
                self._is_whole()
            if chunk := message.get("body", b""):
                yield chunk

    def connected(self, *, has_body: bool) -> Stay:
        """A block that runs for as long as the client stays: when it goes, the block is cancelled with ClientGone."""
        self._whole = not has_body
        if self.door is not None:
            return Stay(self.door.gone, ours=False)
        return Stay(asyncio.get_running_loop().create_task(self._hear_of_leaving()), ours=True)

    def _is_whole(self) -> None:
        self._whole = True
        if self._on_whole is not None:
            self._on_whole.set()

    async def _hear_of_leaving(self) -> None:
        """For servers without our door: after the body, what `receive` says next is that the client has gone."""
        if not self._whole:
            self._on_whole = asyncio.Event()
            await self._on_whole.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass


def read(scope: Scope, client: Client, *, trust: Trust) -> Arrival:
    """Read a scope: the bytes as they came, the client by the trusted-proxy rule, a request id."""
    if client.door is not None:
        known = client.door.arrival
        request = known.request
        return known if request.body is None else replace(known, request=replace(request, body=client.body()))
    head = Head.of([(bytes(name), bytes(value)) for name, value in scope["headers"]])
    address = scope["client"][0] if scope.get("client") else ""
    peer = identify(address, _http_scheme(scope["scheme"]), head.fields, trust)
    target = _target(scope)
    request = Request(
        id=request_id_of(head),
        method=scope.get("method", "GET"),
        target=target,
        path=path_of(target),
        headers=head.fields,
        scheme=peer.scheme,
        client_ip=peer.client_ip,
        body=client.body() if head.has_body else None,
    )
    return Arrival(request, peer, None, scope.get("http_version", "1.1"), head)


def refusal(arrival: Arrival, pseudonym: bytes) -> Failure | None:
    """Why a request goes no further: it has been here before, or two readers would read it differently."""
    request, head = arrival.request, arrival.head
    if (fault := fault_in(head, pseudonym)) is not None:
        return fault
    sane = (
        (request.path[:1] == b"/" or (request.target == b"*" and request.method == "OPTIONS"))
        and request.method != "CONNECT"  # a tunnel is not offered
        and b"#" not in request.target  # has no place there; Express reads what stands before it in another way
        and (arrival.authority is None or _is_same_place(arrival))
        and (arrival.version == "1.1" or _is_old(arrival))
        and (arrival.version == "1.0" or head.facts & HOST)  # RFC 9112 section 3.2
    )
    return None if sane else Failure.BAD_REQUEST


def fault_in(head: Head, pseudonym: bytes) -> Failure | None:
    """The same for its fields alone, which is all there is to ask of a request whose line is plain."""
    if not head.judged:
        head.judged, head.fault = True, _fault_of(head, pseudonym)
    return head.fault


def _is_same_place(arrival: Arrival) -> bool:
    """Whether a target in absolute form names the Host, and a path that Node's URL parser would not rewrite."""
    same_host = arrival.authority is not None and arrival.authority.lower() == arrival.head.host.lower()
    return same_host and _REWRITTEN.search(arrival.request.path) is None


def _is_old(arrival: Arrival) -> bool:
    """HTTP/1.0, which knows no chunks (RFC 9112 section 6.1)."""
    return arrival.version == "1.0" and not arrival.head.facts & CODING


class _Hosts(dict[bytes, bool]):
    """Whether a Host may be one; there are few in earnest, and a client that invents them makes it forget them."""

    def __missing__(self, host: bytes) -> bool:
        found = _HOST.fullmatch(host) is not None
        if len(host) <= _LONGEST_HOST:
            if len(self) >= _MOST_HOSTS:
                self.clear()
            self[host] = found
        return found


_HOSTS: Final = _Hosts()


def _fault_of(head: Head, pseudonym: bytes) -> Failure | None:
    """What is wrong with the fields alone."""
    if head.facts & VIA and any(name == b"via" and pseudonym in value for name, value in head.fields):
        return Failure.LOOP
    framed = head.facts & (LENGTH | CODING)
    framing = [value for name, value in head.fields if name in _FRAMING] if framed else []
    sane = (
        (not head.facts & TWICE or sum(name == b"host" for name, _ in head.fields) <= 1)
        and (not head.facts & HOST or _HOSTS[head.host])
        and len(framing) <= 1
        # another coding would have to be undone here, an odd spelling hides one
        and (not head.facts & CODING or framing[0].lower() == b"chunked")
        and (not head.facts & LENGTH or (len(framing[0]) <= LONGEST_LENGTH and framing[0].isdigit()))
    )
    return None if sane else Failure.BAD_REQUEST


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


def _target(scope: Scope) -> bytes:
    as_sent = (scope.get("extensions") or {}).get(TARGET_EXTENSION)
    if isinstance(as_sent, bytes):
        return as_sent
    path = scope.get("raw_path") or scope["path"].encode("utf-8")
    query = scope.get("query_string", b"")
    return bytes(path + b"?" + query if query else path)


def request_id_of(head: Head) -> str:
    """The id that came with a request, or a new one."""
    if head.facts & TELLS_ID:
        came = head.value(b"x-request-id")
        if _REQUEST_ID.fullmatch(came):
            return came.decode("ascii")
    return new_request_id()


def new_request_id() -> str:
    """80 random bits of this process and a number, in hex: it names a request, it opens nothing."""
    return _PROCESS + hex(next(_numbers))[3:]


def _http_scheme(scheme: str) -> str:
    return {"ws": "http", "wss": "https"}.get(scheme, scheme)
