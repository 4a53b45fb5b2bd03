"""What travels through the gateway: requests, responses and the frozen observations made of them.

Bytes stay bytes; header names are lower-cased on the request side only because ASGI servers do so.
Nothing here waits, reads a clock or knows a side. What is made for each request is never changed: it is not frozen
because that would make it four times as slow to make, and no tuple because a tuple's names are slow to read. What
travels to another process is one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from gateway.failure import Failure

Header = tuple[bytes, bytes]
Headers = tuple[Header, ...]


class Side(StrEnum):
    """One of the two backends of a route."""

    LEGACY = "legacy"
    NEW = "new"

    @property
    def other(self) -> Side:
        return Side.NEW if self is Side.LEGACY else Side.LEGACY


@dataclass(slots=True)
class Request:
    """A client's request as it came; the body is not read yet.

    `target` holds path and query exactly as sent; `path` is its part before the first `?`, still
    percent-encoded. `body` is None when the framing says that none follows (RFC 9112 section 6.3).
    """

    id: str
    method: str
    target: bytes
    path: bytes
    headers: Headers
    scheme: str
    client_ip: str
    body: AsyncIterator[bytes] | None

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header; `name` in lower case."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class OutboundRequest(NamedTuple):
    """What one side is sent: hop-by-hop headers removed, forwarded headers set, target bytes final.

    `body` is None, whole bytes (a captured body, for a copy), or a stream that can be read once.
    `commit` is false when whatever the new side does must be rolled back (design.md, services/kit/unit.py). `lines` are
    the lines of `headers` as bytes up to the value of the last one, where somebody knows them already.
    """

    method: str
    target: bytes
    headers: Headers
    body: AsyncIterator[bytes] | bytes | None
    scheme: str
    client_ip: str
    commit: bool = True
    lines: bytes = b""

    def with_headers(self, headers: Headers) -> OutboundRequest:
        """The same request with other headers."""
        return self._replace(headers=headers, lines=b"")


async def once(body: bytes) -> AsyncIterator[bytes]:
    """A body that is here already, as a stream."""
    if body:
        yield body


async def nothing() -> None:
    """Close a response that holds nothing open."""


@dataclass(slots=True)
class Response:
    """A side's answer whose head has arrived and whose body is still to be read.

    `body` may raise `BodyCut` when the side stops before the end; `whole` is the same body for who wants no iterator,
    when all of it is here already; `length` is what the head says of it, in bytes, -1 where it says nothing. `close`
    lets go of the connection and may be called at any time, more than once. `reason` None stands for the usual phrase;
    `interim` are 1xx answers (status, reason, headers) that came before; `trailers` are whole once the body is.
    """

    status: int
    headers: Headers
    body: AsyncIterator[bytes]
    close: Callable[[], Awaitable[None]] = nothing
    reason: bytes | None = None
    interim: Sequence[tuple[int, bytes, list[Header]]] = ()
    trailers: Sequence[Header] = ()
    whole: bytes | None = None
    length: int = -1


class BodyCut(Exception):  # noqa: N818 - it names what happened to the answer
    """A body that ended before its declared end; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


class ClientGone(Exception):  # noqa: N818 - it names what happened to the request
    """The client left before its request was whole; raised by a request's body stream only."""


class Observation(NamedTuple):
    """One side's answer, frozen: either status, headers and body, or the failure instead of them.

    `truncated` says that the answer began and was not read to its end: its body went past the cap, and `body` holds at
    most the beginning of it, or it broke off, and `failure` says why.
    `elapsed_ms` is the time until the last byte that was kept, in milliseconds.
    """

    side: Side
    status: int | None
    headers: Headers
    body: bytes
    elapsed_ms: float
    failure: Failure | None = None
    truncated: bool = False

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, whatever the case of its name; `name` in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)
