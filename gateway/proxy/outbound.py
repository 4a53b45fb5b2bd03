"""Stop 4: what a side is sent. Pure; the target's bytes are taken as they came."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import urlsplit

from gateway.message import Header, Headers, OutboundRequest, Request, Side
from gateway.proxy.arrival import CODING, CONNECTION, COOKIE, EXPECT, HOST, IF_TRUSTED, LENGTH, TRAVELS, Arrival
from gateway.proxy.hop import named_by
from gateway.proxy.peer import Peer
from gateway.rollout.override import without_override
from gateway.routing.route import Route

_CHUNKED: Final = b"\r\ntransfer-encoding: chunked\r\n\r\n"
_LONGEST_HOST: Final = 256  # bytes of one that is remembered


@dataclass(frozen=True, slots=True)
class Addressing:
    """How the sides are addressed: Via pseudonym, and the Host each side sees (None: the client's own)."""

    pseudonym: bytes
    hosts: dict[Side, bytes | None]
    via: Header

    @classmethod
    def of(
        cls, pseudonym: str, legacy: str, new: str | None, host_rule: Literal["auto", "preserve", "upstream"]
    ) -> Addressing:
        """Read the sides' URLs; an in-process new side always sees the client's Host."""

        def host(url: str | None) -> bytes | None:
            if url is None or "://" not in url or host_rule == "preserve":
                return None
            parts = urlsplit(url)
            return parts.netloc.encode("ascii") if host_rule == "upstream" or parts.scheme == "https" else None

        name = pseudonym.encode()
        return cls(name, {Side.LEGACY: host(legacy), Side.NEW: host(new)}, (b"via", b"1.1 " + name))


def build(arrival: Arrival, side: Side, route: Route | None, to: Addressing) -> OutboundRequest:
    """The request for a side: hop-by-hop removed, forwarded headers set, the path mapped for the new side."""
    request, head = arrival.request, arrival.head
    if to.hosts[side] is not None or arrival.peer.trusted:
        kept, lines = _passed_on(arrival, side, to), b""
    else:  # the same for every side and every request with these fields on this connection
        lines = _lines_of(arrival, side, to) if head.passed_on else b""  # worth it for fields that come again
        kept = head.passed_on = head.passed_on or _passed_on(arrival, side, to)
    headers = (*kept, (b"x-request-id", request.id.encode()))
    target = _target(request, side, route)
    return OutboundRequest(
        request.method, target, headers, request.body, request.scheme, request.client_ip, lines=lines
    )


def _lines_of(arrival: Arrival, side: Side, to: Addressing) -> bytes:
    """What `wire.outgoing` may take for the headers, where it would add nothing to them."""
    head = arrival.head
    if head.facts & (HOST | LENGTH | CODING | EXPECT) != HOST:
        return b""
    if head.told is None:
        head.told = _told_lines(arrival, side, to)
    return head.told


def _passed_on(arrival: Arrival, side: Side, to: Addressing) -> Headers:
    return (*_travelling(arrival, to.hosts[side]), *_told(arrival), to.via)


def head_for(arrival: Arrival, side: Side, route: Route | None, to: Addressing) -> bytes | None:
    """The head of the same request as bytes, for an HTTP side; it is `build` and `wire.outgoing` in one step.

    The request was not refused. None when a part of the head would end its line early.
    """
    request, head = arrival.request, arrival.head
    if to.hosts[side] is not None or arrival.peer.trusted:
        told = _told_lines(arrival, side, to)
    else:  # the same for every side and every request with these fields on this connection
        told = head.told = head.told or _told_lines(arrival, side, to)
    target = _target(request, side, route)
    if not told or b" " in target or b"\n" in target or b"\r" in target or b"\0" in target:
        return None
    end = _CHUNKED if head.facts & CODING else b"\r\n\r\n"
    return b"".join((request.method.encode(), b" ", target, b" HTTP/1.1\r\n", told, request.id.encode(), end))


def _told_lines(arrival: Arrival, side: Side, to: Addressing) -> bytes:
    """The lines from the first header to the request id's name; empty when there would be more or fewer of them."""
    headers = _passed_on(arrival, side, to)
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    sane = lines.count(b"\n") == lines.count(b"\r") == len(headers) and b"\0" not in lines
    return lines + b"x-request-id: " if sane else b""


def _travelling(arrival: Arrival, own_host: bytes | None) -> list[Header]:
    """The client's headers that travel on."""
    trusted = arrival.peer.trusted
    kept: list[Header] = []
    named: frozenset[bytes] = frozenset()
    for header, kind in arrival.head.meant:
        if kind == TRAVELS:
            kept.append(header)
        elif kind & COOKIE:
            cookie = without_override(header[1])
            if cookie:
                kept.append((header[0], cookie))
        elif kind & TRAVELS:
            kept.append((b"host", own_host) if kind & HOST and own_host is not None else header)
        elif kind & CONNECTION:
            named |= named_by(header[1])
        elif kind & IF_TRUSTED and trusted:
            kept.append(header)
    return [header for header in kept if header[0] not in named] if named else kept


def copy_of(outbound: OutboundRequest, body: bytes | None = None) -> OutboundRequest:
    """The same request as a marked copy with a body that is here already; it must leave no trace."""
    kept, lines = outbound.headers, outbound.lines
    if lines:  # of no header that means anything: there is no `expect` among them
        lines = b"%b%b\r\nx-strangler-shadow: " % (lines, kept[-1][1])
    elif b"expect" in dict(kept):  # told faster than by looking at each
        kept = tuple(header for header in kept if header[0] != b"expect")
    return outbound._replace(headers=(*kept, (b"x-strangler-shadow", b"1")), body=body, commit=False, lines=lines)


def _target(request: Request, side: Side, route: Route | None) -> bytes:
    """The target as it came; for the new side its path with the request's own bytes in it, then the query as it came.

    Built from the template also when both paths are the same: Express takes `/API/Lots/` for `/api/lots`,
    an ASGI router does not.
    """
    if side is Side.LEGACY or route is None:
        return request.target
    if route.new_path is route.template and route.template.fits_as_it_is(request.path):
        return request.target
    _, question, query = request.target.partition(b"?")
    return route.new_path.fill(route.template.values(request.path)) + question + query


def _told(arrival: Arrival) -> Headers:
    """Who asked, by X-Forwarded-* and Forwarded (RFC 7239)."""
    if arrival.peer.trusted:
        return _forwarded_on(arrival.request, arrival.peer, arrival.head.host)
    host = arrival.head.host
    tell = _known if len(host) <= _LONGEST_HOST else _forwarded
    return tell(arrival.peer.address, host, arrival.request.scheme)


def _forwarded(address: str, host: bytes, scheme: str) -> Headers:
    """X-Forwarded-* and Forwarded (RFC 7239) for a peer that is not asked whom it speaks for."""
    return (
        (b"x-forwarded-for", _address(address)),
        (b"x-forwarded-proto", scheme.encode()),
        (b"x-forwarded-host", host),
        (b"forwarded", _element(address, host, scheme)),
    )


_known: Final = lru_cache(maxsize=4_096)(_forwarded)


def _forwarded_on(request: Request, peer: Peer, host: bytes) -> Headers:
    """The same, with what a trusted proxy said kept and added to."""
    said: dict[bytes, list[bytes]] = {}
    for name, value in request.headers:
        if name == b"forwarded" or name.startswith(b"x-forwarded-"):
            said.setdefault(name, []).append(value)
    return (
        (b"x-forwarded-for", b", ".join([*said.get(b"x-forwarded-for", ()), _address(peer.address)])),
        (b"x-forwarded-proto", request.scheme.encode()),
        (b"x-forwarded-host", host if peer.host is None else peer.host.encode()),
        (b"forwarded", b", ".join([*said.get(b"forwarded", ()), _element(peer.address, host, request.scheme)])),
    )


def _address(address: str) -> bytes:
    return (address or "unknown").encode("ascii", "replace")


def _element(address: str, host: bytes, scheme: str) -> bytes:
    """One element of Forwarded: this hop."""
    sane = host.replace(b"\\", b"").replace(b'"', b"")
    return b'for=%b;host="%b";proto=%b' % (_node(address), sane, scheme.encode())


def _node(address: str) -> bytes:
    if not address:
        return b"unknown"
    return f'"[{address}]"'.encode() if ":" in address else address.encode("ascii", "replace")
