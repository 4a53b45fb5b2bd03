"""What a smuggler does to a message, and where a network cuts it. Pure: everything comes from one seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random
from typing import Final

from tests.fuzz.corpus import INNER

_EXTENSIONS: Final = (b"", b"", b"", b";a", b";a=b", b';a="b c"', b";a=b;c=d")
_TRAILERS: Final = (b"", b"", b"", b"X-T: 1\r\n", b"X-T: 1\r\nX-U: 2\r\n", b"Authorization: x\r\n")

# Lines that mean something else to somebody.
_EVIL_LINES: Final = (
    b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: 41", b"Content-Length:  5", b"Content-Length : 5",
    b"Content-Length: +5", b"Content-Length: 0x5", b"Content-Length: 5, 5", b"Content-Length:", b"content_length: 5",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding:", b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: ,chunked",
    b"Transfer-Encoding:\tchunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding: Chunked",
    b"Transfer_Encoding: chunked", b" Transfer-Encoding: chunked", b"Transfer-Encoding:\x0bchunked",
    b"X: y\nTransfer-Encoding: chunked", b"X: y\rContent-Length: 5", b" folded", b"\tfolded", b"Host: evil.test",
    b"Host:", b"Host : shop.test", b"Connection: close", b"Connection: content-length, host", b"Connection: upgrade",
    b"Upgrade: websocket", b"Upgrade: h2c", b"Expect: 100-continue", b"Expect: y", b"X : y", b": y", b"X", b"X: \x00",
    b"X: \x7f", b"X\xff: y", b"GET /admin HTTP/1.1", b"HTTP/1.1 200 OK", b"X-Forwarded-For: ::1",
    b"Proxy-Connection: close", b"Keep-Alive: timeout=0", b"Trailer: Content-Length",
)  # fmt: skip
_EVIL_PIECES: Final = (
    b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b"\n\n", b"\x00", b" ", b"\t", b"\x0b", b"\x0c", b"\x7f",
    b"\x85", b"\xa0", b"\xff", b":", b";", b",", b"=", b'"', b"\\", b"#", b"?", b"/", b"@", b"*", b"%", b"0", b"5",
    b"a", b"f", b"0x", b"+", b"-", b"_", b"00000000000000000", b"ffffffffffffffff", b"0\r\n\r\n", b"0\r\n",
    b"5\r\nhello\r\n", b"chunked", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"GET ", b"POST ", b"CONNECT ", b"get ",
    b"Host:", b"close", b";" + b"e" * 4_100, INNER,
)  # fmt: skip


def mutate(rng: Random, message: bytes, times: int) -> bytes:
    """Do that many things to it."""
    for _ in range(times):
        message = rng.choice(_MUTATIONS)(rng, message)
    return message


def chunks(rng: Random, body: bytes) -> bytes:
    """A body in chunks of random sizes."""
    lines = []
    while body:
        size = rng.randint(1, len(body))
        spelled = rng.choice((b"%x", b"%X", b"0%x", b"%04x")) % size
        lines.append(b"%b%b\r\n%b\r\n" % (spelled, rng.choice(_EXTENSIONS), body[:size]))
        body = body[size:]
    return b"%b0%b\r\n%b\r\n" % (b"".join(lines), rng.choice(_EXTENSIONS), rng.choice(_TRAILERS))


def segments(rng: Random, sent: bytes) -> Sequence[bytes]:
    """Cut anywhere, or where it hurts: at line ends."""
    kind = rng.random()
    if kind < 0.3 or len(sent) < 2:
        return [sent]
    places = list(range(1, len(sent)))
    if kind < 0.6:
        places = [at for at in places if sent[at - 1 : at + 1] in (b"\r\n", b"\n\r")] or places
    cuts = sorted({0, len(sent), *rng.choices(places, k=rng.randint(1, 6))})
    return [sent[a:b] for a, b in pairwise(cuts)]


Mutation = Callable[[Random, bytes], bytes]


def _place(rng: Random, data: bytes) -> int:
    """Somewhere, more often near a delimiter."""
    if rng.random() < 0.5:
        near = [at for at, sign in enumerate(data) if sign in b"\r\n:; "]
        if near:
            return min(len(data), rng.choice(near) + rng.randint(0, 1))
    return rng.randint(0, len(data))


def _insert(rng: Random, data: bytes) -> bytes:
    at = _place(rng, data)
    return data[:at] + rng.choice(_EVIL_PIECES) + data[at:]


def _delete(rng: Random, data: bytes) -> bytes:
    at = _place(rng, data)
    return data[:at] + data[at + rng.choice((1, 1, 1, 2, 4, 16)) :]


def _replace(rng: Random, data: bytes) -> bytes:
    at = _place(rng, data)
    piece = rng.choice(_EVIL_PIECES)
    return data[:at] + piece + data[at + rng.choice((1, 2, len(piece))) :]


def _flip(rng: Random, data: bytes) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _repeat(rng: Random, data: bytes) -> bytes:
    at = _place(rng, data)
    end = min(len(data), at + rng.choice((1, 2, 8, 40)))
    return data[:end] + data[at:end] + data[end:]


def _cut(rng: Random, data: bytes) -> bytes:
    return data[: _place(rng, data)]


def _add_line(rng: Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    lines.insert(rng.randint(0, min(len(lines), 8)), rng.choice(_EVIL_LINES))
    return b"\r\n".join(lines)


def _swap_lines(rng: Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\r\n".join(lines)


def _double_line(rng: Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    at = rng.randrange(len(lines))
    return b"\r\n".join([*lines[: at + 1], *lines[at:]])


def _other_line_end(rng: Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    at = rng.randint(1, max(1, len(lines) - 1))
    other = rng.choice((b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n ", b"\r\n\t", b"\x00\r\n", b" \r\n", b""))
    return b"\r\n".join(lines[:at]) + other + b"\r\n".join(lines[at:])


def _other_number(rng: Random, data: bytes) -> bytes:
    digits = [at for at, sign in enumerate(data) if sign in b"0123456789abcdef"]
    if not digits:
        return data
    at = rng.choice(digits)
    return data[:at] + rng.choice((b"0", b"1", b"9", b"f", b"00", b" 5", b"+5", b"_", b"-1", b"0x")) + data[at + 1 :]


def _other_case(rng: Random, data: bytes) -> bytes:
    at = _place(rng, data)
    end = at + rng.choice((1, 4, 20))
    return data[:at] + data[at:end].swapcase() + data[end:]


_MUTATIONS: Final[tuple[Mutation, ...]] = (
    _insert, _insert, _delete, _replace, _flip, _repeat, _cut, _add_line, _add_line, _add_line,
    _swap_lines, _double_line, _other_line_end, _other_line_end, _other_number, _other_number, _other_case,
)  # fmt: skip
