"""The `Forwarded` header (RFC 7239), and what X-Forwarded-For says in its place: hops, the client's end first. Pure.

It reads what stands there; whom to believe is `peer.py`'s.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_TOKEN: Final = r"[-!#$%&'*+.^_`|~0-9A-Za-z]+"  # noqa: S105 - a grammar's word
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_PAIR: Final = re.compile(rf"[ \t]*(?:({_TOKEN})=({_TOKEN}|{_QUOTED}))?[ \t]*")
_ESCAPED: Final = re.compile(r"\\(.)")
_NODE: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+)|(?P<bare>[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+))"
    r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
)


@dataclass(frozen=True, slots=True)
class Hop:
    """What one proxy says of whom it got the request from.

    `address` is None where it says nothing that is an address: `unknown`, an obfuscated name, no `for`, nonsense.
    """

    address: str | None
    host: str | None = None
    proto: str | None = None


UNREADABLE: Final = Hop(None)
LIMIT: Final = 4096  # bytes of such headers that are read, from the end, where the proxies we know have written
MAX_HOPS: Final = 32
LONGEST: Final = 64  # characters of a node that is remembered


def parse_forwarded(values: Sequence[bytes]) -> list[Hop]:
    """The hops of all `Forwarded` headers in their order; an unreadable one stands for what cannot be read.

    A client must not be able to hide by breaking what a proxy appends to: where the whole is broken, the part after
    the last comma, which is the proxy's own, is read alone.
    """
    hops: list[Hop] = []
    left = LIMIT
    for value in reversed(values):
        left -= len(value)
        read = _elements(value.decode("latin-1")) if left >= 0 else None
        if read is None:
            own = value.rpartition(b",")[2]
            alone = _elements(own.decode("latin-1")) if len(own) <= LIMIT else None
            return [UNREADABLE, *(alone or ()), *hops]
        hops = [*read, *hops]
    return hops


def parse_addresses(values: Sequence[bytes]) -> list[Hop]:
    """The hops of all `X-Forwarded-For` headers, the last ones of a very long chain."""
    return [Hop(address_of(part)) for part in members(values)]


def members(values: Sequence[bytes]) -> list[str]:
    """The last members of a plain list header; empty ones count, because members stand for hops."""
    if not values:
        return []
    parts = b",".join(values).rsplit(b",", MAX_HOPS)
    return [part.strip(b" \t").decode("latin-1") for part in parts[-MAX_HOPS:]]


def address_of(node: str) -> str | None:
    """An address in its shortest form, without brackets and port; IPv4 within IPv6 is IPv4. None for anything else."""
    return _known(node) if len(node) <= LONGEST else _address_of(node)


def _address_of(node: str) -> str | None:
    found = _NODE.fullmatch(node)
    if found is None:
        return None
    try:
        address = ipaddress.ip_address(found["six"] or found["four"] or found["bare"])
    except ValueError:
        return None
    if found["six"] is not None and address.version == 4:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


_known: Final = lru_cache(maxsize=4096)(_address_of)


def _elements(text: str) -> list[Hop] | None:
    """The elements of one value, empty ones left out; None when it breaks the grammar."""
    hops: list[Hop] = []
    pairs: dict[str, str] = {}
    for name, value, separator in _pairs(text):
        if separator == "":
            return None
        if name:
            if name in pairs:
                return None
            pairs[name] = value
        if separator in ",$":
            if pairs:
                hops.append(_hop(pairs))
            pairs = {}
    return hops


def _pairs(text: str) -> Iterator[tuple[str, str, str]]:
    """Each pair with what ends it: `;`, `,`, `$` for the end, nothing where the grammar is broken."""
    at = 0
    while True:
        found = _PAIR.match(text, at)
        assert found is not None  # noqa: S101 - every part of it is optional
        at = found.end()
        separator = text[at : at + 1] or "$"
        name, value = found.groups(default="")
        yield name.lower(), _unquoted(value), separator if at == len(text) or separator in ";," else ""
        if at == len(text) or separator not in ";,":
            return
        at += 1


def _unquoted(value: str) -> str:
    return _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value


def _hop(pairs: dict[str, str]) -> Hop:
    return Hop(address_of(pairs.get("for", "")), pairs.get("host"), pairs.get("proto"))
