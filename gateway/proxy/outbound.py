"""Stop 4: what a side is sent. Pure; the target's bytes are taken as they came."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlsplit

from gateway.message import Header, Headers, OutboundRequest, Request, Side
from gateway.proxy.hop import without_hop_by_hop
from gateway.proxy.peer import Peer, is_claim, is_ours
from gateway.routing.table import Match

_SET_HERE = frozenset({b"x-request-id"})
# With an underscore for a dash they are other headers, until an app behind us reads both alike.
_TWINS = frozenset({b"host", b"content-length", b"transfer-encoding", b"via", b"connection"})


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
    host = request.header(b"host") or b""
    kept = [header for header in without_hop_by_hop(request.headers) if _travels(header[0], trusted=peer.trusted)]
    sent_host = to.hosts[side]
    if sent_host is not None:
        kept = [(name, sent_host if name == b"host" else value) for name, value in kept]
    return OutboundRequest(
        method=request.method,
        target=request.target if side is Side.LEGACY or match is None else _new_target(request, match),
        headers=(*kept, *_forwarded(request, peer, host), (b"via", b"1.1 " + to.pseudonym)),
        body=request.body,
        scheme=request.scheme,
        client_ip=request.client_ip,
    )


def copy_of(outbound: OutboundRequest) -> OutboundRequest:
    """The same request as a marked copy without a body, which must leave no trace."""
    kept = tuple(header for header in outbound.headers if header[0] != b"expect")  # its body is here already
    return replace(outbound, headers=(*kept, (b"x-strangler-shadow", b"1")), body=None, commit=False)


def _travels(name: bytes, *, trusted: bool) -> bool:
    plain = name.replace(b"_", b"-")
    if plain in _SET_HERE or is_ours(name) or (plain in _TWINS and plain != name):
        return False
    return (name == b"x-real-ip" and trusted) or not is_claim(name)


def _new_target(request: Request, match: Match) -> bytes:
    """The new side's path with the request's own bytes in it, then the query as it came.

    Built from the template also when both are the same: Express takes `/API/Lots/` for `/api/lots`,
    an ASGI router does not.
    """
    _, question, query = request.target.partition(b"?")
    return match.route.new_path.fill(match.values) + question + query


def _forwarded(request: Request, peer: Peer, host: bytes) -> Headers:
    """X-Forwarded-*, Forwarded (RFC 7239) and the request id; what a trusted proxy said is kept and added to."""
    address = (peer.address or "unknown").encode("ascii", "replace")
    said = _said(request.headers) if peer.trusted else {}
    chain = b", ".join([*said.get(b"x-forwarded-for", ()), address])
    own = b'for=%b;host="%b";proto=%b' % (
        _node(peer.address),
        host.replace(b"\\", b"").replace(b'"', b""),
        request.scheme.encode(),
    )
    headers: list[Header] = [
        (b"x-forwarded-for", chain),
        (b"x-forwarded-proto", request.scheme.encode()),
        (b"x-forwarded-host", next(iter(said.get(b"x-forwarded-host", ())), host)),
        (b"forwarded", b", ".join([*said.get(b"forwarded", ()), own])),
        (b"x-request-id", request.id.encode()),
    ]
    return tuple(headers)


def _said(headers: Headers) -> dict[bytes, list[bytes]]:
    said: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        said.setdefault(name, []).append(value)
    return said


def _node(address: str) -> bytes:
    if not address:
        return b"unknown"
    return f'"[{address}]"'.encode() if ":" in address else address.encode("ascii", "replace")
