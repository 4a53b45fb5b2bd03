"""Headers that belong to one connection and must not travel on (RFC 9110 section 7.6.1). Pure."""

from __future__ import annotations

from typing import Final

from gateway.message import Headers

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
# `Connection: host` must not be a way to take away what gives a message its meaning or its length.
_NEVER_NAMED: Final = frozenset({b"host", b"content-length", b"content-type", b"content-encoding", b"date", b"via"})


def without_hop_by_hop(headers: Headers) -> Headers:
    """The headers that travel on, order and duplicates kept: no hop-by-hop ones, none that Connection names."""
    named = frozenset(
        token.strip().lower() for name, value in headers if name.lower() == b"connection" for token in value.split(b",")
    )
    gone = HOP_BY_HOP | (named - _NEVER_NAMED)
    return tuple(header for header in headers if header[0].lower() not in gone)
