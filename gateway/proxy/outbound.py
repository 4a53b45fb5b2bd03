"""Stop 4: what a side is sent. Pure; the target's bytes are taken as they came."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import urlsplit

from gateway.message import Header, Headers, OutboundRequest, Request, Side
from gateway.proxy.hop import HOP_BY_HOP, Kinds, named_by
from gateway.proxy.peer import Peer, is_claim, is_ours
from gateway.routing.table import Match

_SET_HERE: Final = frozenset({b"x-request-id"})
_DROPPED: Final = frozenset({b"trailer"})  # a request's trailers do not travel on, so nobody announces them
# With an underscore for a dash they are other headers, until an app behind us reads both alike.
_TWINS: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"via", b"connection"})

_TRAVELS, _STAYS, _IF_TRUSTED, _CONNECTION, _HOST = range(5)


@dataclass(frozen=True, slots=True)
class Addressing:
    """How the sides are addressed: Via pseudonym, and the Host each side sees (None: the client's own)."""

    pseudonym: bytes
    hosts: dict[Side, bytes | None]

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

        return cls(pseudonym.encode(), {Side.LEGACY: host(legacy), Side.NEW: host(new)})


def build(request: Request, side: Side, peer: Peer, match: Match | None, to: Addressing) -> OutboundRequest:
    """The request for a side: hop-by-hop removed, forwarded headers set, the path mapped for the new side."""
    kept, host = _travelling(request.headers, to.hosts[side], trusted=peer.trusted)
    kept += _told(request, peer, host)
    kept.append((b"via", b"1.1 " + to.pseudonym))
    kept.append((b"x-request-id", request.id.encode()))
    return OutboundRequest(
        method=request.method,
        target=_target(request, side, match),
        headers=tuple(kept),
        body=request.body,
        scheme=request.scheme,
        client_ip=request.client_ip,
    )


def head_for(
    request: Request, side: Side, peer: Peer, match: Match | None, to: Addressing, *, chunked: bool
) -> bytes | None:
    """The head of the same request as bytes, for an HTTP side; it is `build` and `wire.outgoing` in one step.

    The request has a Host; its body, if it has one, is `chunked` or has a Content-Length. None when a part would
    end its line early.
    """
    kept, host = _travelling(request.headers, to.hosts[side], trusted=peer.trusted)
    target = _target(request, side, match)
    parts = [request.method.encode(), b" ", target, b" HTTP/1.1\r\n"]
    for name, value in kept:
        parts += (name, b": ", value, b"\r\n")
    if peer.trusted:
        told = _lines(_told(request, peer, host))
        via = b"via: 1.1 %b\r\n" % to.pseudonym
        parts += (told, via)
    else:
        parts.append(_told_lines(peer.address, host, request.scheme, to.pseudonym))
    ends = len(kept) + 8
    parts += (b"x-request-id: ", request.id.encode(), b"\r\n")
    if chunked:
        parts.append(b"transfer-encoding: chunked\r\n")
        ends += 1
    parts.append(b"\r\n")
    head = b"".join(parts)
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head or b" " in target:
        return None
    return head


def _travelling(headers: Headers, own_host: bytes | None, *, trusted: bool) -> tuple[list[Header], bytes]:
    """The client's headers that travel on, and the Host it named."""
    kinds = _KINDS
    kept: list[Header] = []
    named: frozenset[bytes] = frozenset()
    host = b""
    for header in headers:
        kind = kinds[header[0]]
        if kind == _TRAVELS:
            kept.append(header)
        elif kind == _HOST:
            host = host or header[1]
            kept.append(header if own_host is None else (header[0], own_host))
        elif kind == _CONNECTION:
            named |= named_by(header[1])
        elif kind == _IF_TRUSTED and trusted:
            kept.append(header)
    if named:
        kept = [header for header in kept if header[0] not in named]
    return kept, host


def copy_of(outbound: OutboundRequest) -> OutboundRequest:
    """The same request as a marked copy without a body, which must leave no trace."""
    kept = tuple(header for header in outbound.headers if header[0] != b"expect")  # its body is here already
    return outbound._replace(headers=(*kept, (b"x-strangler-shadow", b"1")), body=None, commit=False)


def _kind_of(name: bytes) -> int:
    plain = name.replace(b"_", b"-")
    if name == b"connection":
        return _CONNECTION
    if name == b"host":
        return _HOST
    if name in HOP_BY_HOP or name in _DROPPED or plain in _SET_HERE or is_ours(name):
        return _STAYS
    if plain in _TWINS and plain != name:
        return _STAYS
    if name == b"x-real-ip":
        return _IF_TRUSTED
    return _STAYS if is_claim(name) else _TRAVELS


_KINDS: Final = Kinds(_kind_of)


def _target(request: Request, side: Side, match: Match | None) -> bytes:
    """The target as it came; for the new side its path with the request's own bytes in it, then the query as it came.

    Built from the template also when both paths are the same: Express takes `/API/Lots/` for `/api/lots`,
    an ASGI router does not.
    """
    if side is Side.LEGACY or match is None:
        return request.target
    _, question, query = request.target.partition(b"?")
    return match.route.new_path.fill(match.values) + question + query


def _told(request: Request, peer: Peer, host: bytes) -> Headers:
    """Who asked, by X-Forwarded-* and Forwarded (RFC 7239)."""
    if peer.trusted:
        return _forwarded_on(request, peer, host)
    return _forwarded(peer.address, host, request.scheme)


def _lines(headers: Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


@lru_cache(maxsize=4_096)
def _told_lines(address: str, host: bytes, scheme: str, pseudonym: bytes) -> bytes:
    return _lines((*_forwarded(address, host, scheme), (b"via", b"1.1 " + pseudonym)))


@lru_cache(maxsize=4_096)
def _forwarded(address: str, host: bytes, scheme: str) -> Headers:
    """X-Forwarded-* and Forwarded (RFC 7239) for a peer that is not asked whom it speaks for."""
    return (
        (b"x-forwarded-for", _address(address)),
        (b"x-forwarded-proto", scheme.encode()),
        (b"x-forwarded-host", host),
        (b"forwarded", _element(address, host, scheme)),
    )


def _forwarded_on(request: Request, peer: Peer, host: bytes) -> Headers:
    """The same, with what a trusted proxy said kept and added to."""
    said: dict[bytes, list[bytes]] = {}
    for name, value in request.headers:
        if name == b"forwarded" or name.startswith(b"x-forwarded-"):
            said.setdefault(name, []).append(value)
    return (
        (b"x-forwarded-for", b", ".join([*said.get(b"x-forwarded-for", ()), _address(peer.address)])),
        (b"x-forwarded-proto", request.scheme.encode()),
        (b"x-forwarded-host", next(iter(said.get(b"x-forwarded-host", ())), host)),
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
