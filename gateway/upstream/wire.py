"""A request as the bytes that an HTTP/1.1 origin reads. Pure; the target goes out byte for byte."""

from __future__ import annotations

from typing import Final

from gateway.message import OutboundRequest
from gateway.relay.exchange import Outgoing

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 section 9.2.1


def outgoing(request: OutboundRequest, netloc: bytes) -> Outgoing | None:
    """The request with a Host and its body's framing added where it has none.

    None when a part of it would end its line early: nobody may write a second request with the first.
    """
    parts = [request.method.encode(), b" ", request.target, b" HTTP/1.1\r\n"]
    has_host = has_length = asks_first = False
    for name, value in request.headers:
        size = len(name)  # the names that matter are told apart by their length first
        if size == 4:
            has_host = has_host or name == b"host"
        elif size == 14:
            has_length = has_length or name == b"content-length"
        elif size == 6:
            asks_first = asks_first or (name == b"expect" and value.lower() == b"100-continue")
        parts += (name, b": ", value, b"\r\n")
    ends = len(request.headers) + 2
    body = request.body
    chunked = False
    if not has_host:  # an HTTP/1.0 client need not send one
        parts.insert(4, b"host: %b\r\n" % netloc)
        ends += 1
    if body is not None and not has_length:
        chunked = not isinstance(body, bytes)
        parts.append(
            b"content-length: %d\r\n" % len(body) if isinstance(body, bytes) else b"transfer-encoding: chunked\r\n"
        )
        ends += 1
    parts.append(b"\r\n")
    head = b"".join(parts)
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head or b" " in request.target:
        return None
    return Outgoing(
        head=head,
        body=body,
        chunked=chunked,
        head_only=request.method == "HEAD",
        repeatable=body is None and request.method in SAFE_METHODS,
        asks_first=asks_first,
    )
