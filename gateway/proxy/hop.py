"""Headers that belong to one connection and must not travel on (RFC 9110 section 7.6.1). Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gateway.message import Header

HOP_BY_HOP: Final = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"transfer-encoding",
        b"upgrade",
    }
)
# `Connection: host` must not be a way to take away what gives a message its meaning or its length.
_NEVER_NAMED: Final = frozenset({b"host", b"content-length", b"content-type", b"content-encoding", b"date", b"via"})
_NAMES_NOTHING: Final = frozenset({b"keep-alive", b"close"})
_MOST_NAMES: Final = 4_096  # a client invents names faster than they are worth remembering: then it begins anew
_LONGEST_NAME: Final = 128  # bytes of one that is remembered


class Kinds(dict[bytes, int]):
    """What is to be done with a header of a name; learned name by name, because each comes again and again."""

    def __init__(self, kind_of: Callable[[bytes], int]) -> None:
        super().__init__()
        self._kind_of = kind_of

    def __missing__(self, name: bytes) -> int:
        kind = self._kind_of(name.lower())
        if len(name) <= _LONGEST_NAME:
            if len(self) >= _MOST_NAMES:
                self.clear()
            self[name] = kind
        return kind


_HOP: Final = Kinds(lambda name: name in HOP_BY_HOP)


def named_by(connection: bytes) -> frozenset[bytes]:
    """The headers that a Connection header takes along, in lower case."""
    if connection.lower() in _NAMES_NOTHING:
        return frozenset()
    return frozenset(token.strip().lower() for token in connection.split(b",")) - _NEVER_NAMED


def without_hop_by_hop(headers: Sequence[Header]) -> list[Header]:
    """The headers that travel on, order and duplicates kept: no hop-by-hop ones, none that Connection names."""
    kept = [header for header in headers if not _HOP[header[0]]]
    if len(kept) == len(headers):
        return kept
    for name, value in headers:
        if len(name) == 10 and name.lower() == b"connection" and (named := named_by(value)):
            kept = [header for header in kept if header[0].lower() not in named]
    return kept
