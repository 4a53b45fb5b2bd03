"""Connections full of requests, some of them mutated. Pure: everything comes from one seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from tests.fuzz.corpus import HOST, INNER
from tests.fuzz.mutations import chunks, mutate, segments
from tests.fuzz.upstream import EARLY

LAST: Final = b"GET /last HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n"  # whatever came before it

_METHODS: Final = (b"GET", b"GET", b"POST", b"POST", b"POST", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH")
_TARGETS: Final = (
    b"/", b"/a/b?c=d", b"//", b"/./a/../b", b"/%2e%2F%00", b"/a;x=1", b"/?", b"/a%20b&c", b"http://shop.test/x",
    b"/%",
)  # fmt: skip
_FIELDS: Final = (
    b"Accept: */*", b"X-A: 1", b"X-A: 2", b"Cookie: a=b; c=d", b"X-Empty:", b"Authorization: Bearer abc",
    b"Connection: keep-alive", b"Connection: x-a", b"TE: trailers", b"Expect: 100-continue",
    b"X-Forwarded-For: 9.9.9.9", b"User-Agent: " + b"u" * 300, b"Upgrade: h2c",
    b"Connection: upgrade, http2-settings", b"X-Long: \xc3\xa9\xff", EARLY + b": 1", b"Range: bytes=0-1",
    b"Accept-Encoding: gzip, chunked", b"Content-Type: application/json",
)  # fmt: skip
_BODIES: Final = (
    b"",
    b"x",
    b"hello",
    b"0\r\n\r\n",
    b"\r\n\r\n",
    INNER,
    b"5\r\nhello\r\n0\r\n\r\n",
    b"\x00\xff" * 40,
    b"z" * 600,
)


@dataclass(frozen=True, slots=True)
class Connection:
    """What one client sends, in the segments it sends it in; how many mutations are in it."""

    segments: tuple[bytes, ...]
    mutations: int

    @property
    def sent(self) -> bytes:
        return b"".join(self.segments)


def connection(seed: object) -> Connection:
    """Some requests, rarely a long pipeline, one or two of them mutated, and a last one that nobody has touched."""
    rng = Random(repr(seed))
    many = rng.randint(9, 30) if rng.random() < 0.02 else rng.randint(1, 4)
    requests = [_request(rng) for _ in range(many)]
    mutations = 0
    for at in rng.sample(range(len(requests)), k=min(len(requests), rng.choice((0, 1, 1, 1, 2)))):
        times = rng.choice((1, 1, 1, 2, 3))
        requests[at] = mutate(rng, requests[at], times)
        mutations += times
    return Connection(tuple(segments(rng, b"".join([*requests, LAST]))), mutations)


def _request(rng: Random) -> bytes:
    fields = rng.sample(_FIELDS, k=rng.choice((0, 1, 2, 3, 6)))
    body = b""
    if rng.random() < 0.6:
        body = rng.choice(_BODIES)
        if rng.random() < 0.5:
            fields.insert(rng.randint(0, len(fields)), b"Content-Length: %d" % len(body))
        else:
            fields.insert(rng.randint(0, len(fields)), b"Transfer-Encoding: chunked")
            body = chunks(rng, body)
    version = b"HTTP/1.0" if rng.random() < 0.02 else b"HTTP/1.1"
    line = b"%b %b %b\r\n" % (rng.choice(_METHODS), rng.choice(_TARGETS), version)
    return line + HOST + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body
