"""Smuggling payloads: what a client sends, and what must come of it. Data; it knows no gateway.

A payload is refused (400, the connection closed, nothing upstream) or arrives as exactly the requests it names.
`make fuzz` prints what it finds as entries for these files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HOST: Final = b"Host: shop.test\r\n"
INNER: Final = b"GET /admin HTTP/1.1\r\nHost: shop.test\r\n\r\n"  # what a smuggler would have the upstream read
CHUNKS: Final = b"5\r\nhello\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as an upstream reads it."""

    method: bytes
    target: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Payload:
    """`sent` is one client connection; `seen` what reaches the upstream; `status` of the gateway's own last answer.

    `status` 0 means that the gateway says nothing of its own. `ends`: the gateway closes the connection.
    """

    name: str
    sent: bytes
    seen: tuple[Seen, ...]
    status: int
    ends: bool


def refused(name: str, sent: bytes, status: int = 400) -> Payload:
    """Refused, and nothing of it upstream."""
    return Payload(name, sent, (), status, ends=True)


def passes(name: str, sent: bytes, *seen: Seen, ends: bool = False) -> Payload:
    """Arrives as these requests; `ends` where what follows them costs the connection."""
    return Payload(name, sent, seen, 0, ends=ends)


def get(target: bytes = b"/") -> Seen:
    """A GET without a body."""
    return Seen(b"GET", target, b"")


def posted(body: bytes = b"hello", target: bytes = b"/pay") -> Seen:
    """A POST."""
    return Seen(b"POST", target, body)


def post(fields: bytes, body: bytes = b"", *, target: bytes = b"/pay", version: bytes = b"HTTP/1.1") -> bytes:
    """A POST's bytes: fields end with CRLF each."""
    return b"POST " + target + b" " + version + b"\r\n" + HOST + fields + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    """A POST whose body is these bytes, announced as chunked."""
    return post(b"Transfer-Encoding: chunked\r\n", body)


def ask(fields: bytes = b"", *, line: bytes = b"GET / HTTP/1.1") -> bytes:
    """A request without a body and with our Host."""
    return line + b"\r\n" + HOST + fields + b"\r\n"
