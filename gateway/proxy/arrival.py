"""A request as it has just come in: its head, who sent it, and what the names in its head tell at one glance. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.failure import Failure
from gateway.message import Header, Headers, Request
from gateway.proxy.hop import HOP_BY_HOP, Kinds
from gateway.proxy.peer import Peer, is_claim, is_ours
from gateway.rollout.override import NAME as OVERRIDE

TRAVELS: Final = 1  # to the side, as it is
HOST: Final = 2
LENGTH: Final = 4  # Content-Length
CODING: Final = 8  # Transfer-Encoding
EXPECT: Final = 16
TELLS_ID: Final = 32  # X-Request-Id
VIA: Final = 64
CONNECTION: Final = 128
IF_TRUSTED: Final = 256  # travels when a trusted proxy says it
TWICE: Final = 512  # a header came again that may come once
COOKIE: Final = 2048
TESTED: Final = 4096  # a tester's token may be in it

_ONCE: Final = HOST | LENGTH | CODING | EXPECT
_STAYS: Final = 0
_MEANT: Final = {
    b"host": HOST | TRAVELS,
    b"content-length": LENGTH | TRAVELS,
    b"transfer-encoding": CODING,
    b"expect": EXPECT | TRAVELS,
    b"x-request-id": TELLS_ID,
    b"via": VIA | TRAVELS,
    b"connection": CONNECTION,
    b"cookie": COOKIE | TRAVELS,
    OVERRIDE: TESTED,
    b"x-real-ip": IF_TRUSTED,
    b"trailer": _STAYS,  # a request's trailers do not travel on, so nobody announces them
}
# With an underscore for a dash they are other headers, until an app behind us reads both alike.
_TWINS: Final = frozenset({b"host", b"content-length", b"transfer-encoding", b"via", b"connection", b"x-request-id"})


def _kind_of(name: bytes) -> int:
    if name in _MEANT:
        return _MEANT[name]
    plain = name.replace(b"_", b"-")
    stays = name in HOP_BY_HOP or is_ours(name) or (plain in _TWINS and plain != name) or is_claim(name)
    return _STAYS if stays else TRAVELS


KINDS: Final = Kinds(_kind_of)


Field = tuple[Header, int]  # one of a head, its name in lower case, and what the name means


class Head:
    """The header fields of a request, and what they tell.

    A client sends the same ones again and again on a connection, so a door keeps the last and reads only other ones:
    `raw` is what came, in its spelling, where the parser has read it. `fault` is for who judges it, once. `block` is
    the bytes behind the request line, where the head is plain, short enough to be remembered, and all there is of the
    request.
    """

    __slots__ = ("block", "facts", "fault", "fields", "has_body", "host", "judged", "meant", "passed_on", "raw", "told")

    def __init__(self, meant: list[Field], raw: Sequence[Header] = ()) -> None:
        self.raw, self.meant = raw, meant
        self.fields: Headers = tuple([header for header, _ in meant])
        self.facts, self.host, self.has_body = 0, b"", False
        for header, kind in meant:
            if kind > TRAVELS:
                self._note(kind, header[1])
        self.judged = False
        self.fault: Failure | None = None
        self.block = b""
        self.passed_on: Headers = ()  # what a side is sent of them, and what is added for this peer; once it is known
        self.told: bytes | None = None  # the same as bytes, for the edge

    @classmethod
    def of(cls, raw: list[Header]) -> Head:
        """Fields in whatever spelling they came."""
        lower = [(name.lower(), value) for name, value in raw]
        return cls([(header, KINDS[header[0]]) for header in lower], raw)

    def _note(self, kind: int, value: bytes) -> None:
        if kind & self.facts & _ONCE:
            self.facts |= TWICE
        if kind & HOST:
            self.host = self.host or value
        elif kind & COOKIE and OVERRIDE in value:
            self.facts |= TESTED
        elif kind & CODING or (kind & LENGTH and value.strip(b"0")):
            self.has_body = True  # RFC 9112 section 6.3
        self.facts |= kind

    @property
    def size(self) -> int:
        """The bytes of its values, roughly those of the head."""
        return sum([len(value) for _, value in self.fields])

    def value(self, name: bytes) -> bytes:
        """The first value of a field, empty without one; `name` in lower case."""
        return next((value for key, value in self.fields if key == name), b"")


@dataclass(slots=True)
class Arrival:
    """A request, whose `body` is still to come; `authority` is that of a target in absolute form."""

    request: Request
    peer: Peer
    authority: bytes | None
    version: str
    head: Head
