"""Mutated answers of an origin, read by the relay's reader and by h11. Pure: everything comes from one seed.

What must hold: where h11 finds an error or misses bytes, the reader never says that the answer is whole and the
connection may be used again; where both read an answer, they read the same one; where only one of them does, the
reason is in one of the two lists below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

import h11

from gateway.relay.answer import AnswerReader
from tests.fuzz.mutations import chunks, mutate, segments

_BODIES: Final = (
    b"",
    b"x",
    b"hello",
    b"0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"\r\n",
    b"z" * 300,
)
_STATUSES: Final = (
    b"200 OK",
    b"200 OK",
    b"404 Not Found",
    b"201 ",
    b"204 No Content",
    b"304 Not Modified",
    b"500 X Y",
    b"299",
)
_FIELDS: Final = (
    b"Content-Type: text/plain", b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"Connection: keep-alive", b"X-Empty:",
    b"Connection: close", b"Keep-Alive: timeout=5", b"ETag: W/\"1\"", b"X-Latin: \xe9", b"Trailer: X-T", b"Vary: *",
)  # fmt: skip
_INTERIM: Final = (
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n",
)

Fields = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Exchange:
    """The bytes that come after one request, in the segments they come in; whether the connection ends after them."""

    segments: tuple[bytes, ...]
    head_only: bool
    ends: bool

    @property
    def sent(self) -> bytes:
        return b"".join(self.segments)


@dataclass(frozen=True, slots=True)
class Reading:
    """`whole` None: an error. False: more is needed."""

    whole: bool | None
    keep: bool = False
    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    fault: str = ""
    after: bytes = b""  # what came behind the answer


def exchanges(seed: object) -> list[Exchange]:
    """Up to three exchanges of one connection; the last one, or none, is mutated."""
    rng = Random(repr(seed))
    plain = [_exchange(rng, times=0) for _ in range(rng.choice((0, 0, 1, 2)))]
    return [*plain, _exchange(rng, times=rng.choice((0, 1, 1, 1, 2, 3)))]


def _exchange(rng: Random, *, times: int) -> Exchange:
    head_only = rng.random() < 0.15
    raw = mutate(rng, _answer(rng, head_only=head_only), times)
    return Exchange(tuple(segments(rng, raw)), head_only, ends=rng.random() < 0.6)


def _answer(rng: Random, *, head_only: bool) -> bytes:
    body, status = rng.choice(_BODIES), rng.choice(_STATUSES)
    fields = rng.sample(_FIELDS, k=rng.choice((0, 1, 2, 4)))
    framing = rng.random()
    if framing < 0.5:
        fields.insert(rng.randint(0, len(fields)), b"Content-Length: %d" % len(body))
    elif framing < 0.85:
        fields.insert(rng.randint(0, len(fields)), b"Transfer-Encoding: chunked")
        body = chunks(rng, body)
    if head_only or status[:3] in (b"204", b"304"):
        body = b""
    version = b"HTTP/1.0" if rng.random() < 0.1 else b"HTTP/1.1"
    head = b"%b %b\r\n%b\r\n" % (version, status, b"".join(field + b"\r\n" for field in fields))
    return b"".join(rng.sample(_INTERIM, k=rng.choice((0, 0, 0, 1, 2)))) + head + body


def verdicts(seed: object) -> Iterator[str]:
    """What is wrong with the reading of a connection's answers."""
    reader = AnswerReader()
    for at, exchange in enumerate(exchanges(seed)):
        if at:
            reader.begin(head_only=exchange.head_only)
        else:
            reader = AnswerReader(head_only=exchange.head_only)
        ours, theirs = _ours(reader, exchange), _theirs(exchange)
        for wrong in _differences(ours, theirs, exchange):
            yield f"{wrong}: {exchange} ours {ours} h11 {theirs}"
        if not ours.keep:
            return  # the connection is closed, and the reader with it


def _ours(reader: AnswerReader, exchange: Exchange) -> Reading:
    body = b""
    for segment in exchange.segments:
        reader.feed(segment)
        body += b"".join(reader.take())
    keep = reader.keep
    if exchange.ends:
        reader.eof()
        keep = keep and reader.complete  # it was to be kept until it ended
    if reader.trouble is not None:
        return Reading(None, reader.keep, fault=reader.trouble.name)
    if not reader.complete:
        return Reading(False, reader.keep)
    return Reading(True, keep, reader.status, _fields(reader.headers), body)


def _theirs(exchange: Exchange) -> Reading:
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
    method = b"HEAD" if exchange.head_only else b"GET"
    client.send(h11.Request(method=method, target=b"/", headers=[(b"host", b"x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(exchange.sent)
    if exchange.ends:
        client.receive_data(b"")
    status, body = 0, b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    try:
        while True:
            match client.next_event():
                case h11.Response(status_code=status, headers=raw):
                    headers = _fields(list(raw))
                case h11.Data(data=more):
                    body += more
                case h11.EndOfMessage():
                    after = client.trailing_data[0]
                    return Reading(
                        True, client.their_state is h11.DONE and not after, status, headers, body, after=after
                    )
                case h11.InformationalResponse():
                    pass
                case _:
                    return Reading(False, status=status)
    except h11.RemoteProtocolError as error:
        return Reading(None, status=status, fault=str(error))


def _fields(headers: Fields) -> tuple[tuple[bytes, bytes], ...]:
    """Names and values as both readers mean them; h11 writes `chunked` in small letters."""
    plain = ((name.lower(), value.strip(b" \t")) for name, value in headers)
    return tuple((name, value.lower() if name == b"transfer-encoding" else value) for name, value in plain)


def _differences(ours: Reading, theirs: Reading, exchange: Exchange) -> Iterator[str]:
    kept_alone = ours.keep and not (ours.whole and theirs.whole and theirs.keep)
    if kept_alone and not _explained(KEPT, ours, theirs, exchange):
        yield "kept"
    if ours.whole and theirs.whole:
        if (ours.status, ours.headers, ours.body) != (theirs.status, theirs.headers, theirs.body):
            yield "read otherwise"
    elif ours.whole and not _explained(LOOSER, ours, theirs, exchange):
        yield "read by us alone"
    elif theirs.whole and not _explained(STRICTER, ours, theirs, exchange):
        yield "read by h11 alone"


Reason = Callable[[bytes, Reading, Reading], bool]


def _explained(reasons: dict[str, Reason], ours: Reading, theirs: Reading, exchange: Exchange) -> bool:
    return any(holds(exchange.sent, ours, theirs) for holds in reasons.values())


_BARE_LF: Final = re.compile(rb"(?<!\r)\n")
_FOLDED: Final = re.compile(rb"\r\n[ \t]")
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_VERSION: Final = re.compile(rb"(?:^|\n)HTTP/(?!1\.[01] )")
_FRAMINGS: Final = re.compile(rb"\n(content-length|transfer-encoding):", re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\ncontent-length:(?![ \t]*[0-9]+ *\r\n)", re.IGNORECASE)
_CODING: Final = re.compile(rb"\ntransfer-encoding:(?![ \t]*chunked\r\n)", re.IGNORECASE)
_TOKEN: Final = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
_CHUNK_LINE: Final = re.compile(  # one that is none: RFC 9112 section 7.1.1, without its optional spaces
    rb"\n[0-9A-Fa-f]+(?=[ \t;])(?!(?:;" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb'|"(?:[^"\\\r\n]|\\.)*"))?)*\r\n)'
)
_EMPTY_LINE: Final = re.compile(rb"(?:^|\r\n\r\n)[\r\n]+HTTP/")
_LAST_INTERIM: Final = re.compile(
    rb"HTTP/1\.1 1(?:(?!\r\n\r\n).)*\n(?:proxy-)?connection:[^\n]*close", re.IGNORECASE | re.DOTALL
)

_LENIENT: Final[dict[str, Reason]] = {
    "empty lines before an answer are passed over": lambda sent, ours, theirs: _EMPTY_LINE.search(sent) is not None,
    "trailers frame nothing": lambda sent, ours, theirs: theirs.status != 0 and len(_FRAMINGS.findall(sent)) > 1,
}
LOOSER: Final = _LENIENT
KEPT: Final[dict[str, Reason]] = {
    **_LENIENT,
    "empty lines behind an answer are no answer": lambda sent, ours, theirs: (
        theirs.whole is True and theirs.after != b"" and theirs.after.strip(b"\r\n") == b""
    ),
    "HTTP/1.0 may keep a connection, when it says so": lambda sent, ours, theirs: (
        theirs.whole is True and theirs.after == b"" and b"HTTP/1.0" in sent and b"keep-alive" in sent.lower()
    ),
}
STRICTER: Final[dict[str, Reason]] = {
    "lines end with CRLF": lambda sent, ours, theirs: _BARE_LF.search(sent) is not None,
    "no folded lines": lambda sent, ours, theirs: _FOLDED.search(sent) is not None,
    "HTTP/1.0 has no interim answers": lambda sent, ours, theirs: re.search(rb"HTTP/1\.0 1", sent) is not None,
    "an interim answer is not the last": lambda sent, ours, theirs: _LAST_INTERIM.search(sent) is not None,
    "a status is 100 to 599": lambda sent, ours, theirs: not 100 <= theirs.status <= 599,
    "no control characters": lambda sent, ours, theirs: _CONTROLS.search(sent) is not None,
    "the version is 1.0 or 1.1": lambda sent, ours, theirs: _VERSION.search(sent) is not None,
    "one framing, once": lambda sent, ours, theirs: len(_FRAMINGS.findall(sent)) > 1,
    "a length is digits": lambda sent, ours, theirs: _LENGTH.search(sent) is not None,
    "a coding is chunked": lambda sent, ours, theirs: _CODING.search(sent) is not None,
    "a chunk's line is a size and extensions": lambda sent, ours, theirs: _CHUNK_LINE.search(sent) is not None,
}
