"""Chunk lines and codings are seen in the raw bytes, wherever a segment ends and whatever stands before them."""

import random
from itertools import pairwise
from time import perf_counter

import httptools
import pytest

from gateway.proxy.framing import EXTENSION_BYTES, REST_BYTES, ChunkGuard, ChunkLines

END = b"\r\nhello\r\n0\r\n\r\n"


class Door:
    """The parser and the guard, called as the door calls them."""

    def __init__(self) -> None:
        self.guard = ChunkGuard()
        self.parser = httptools.HttpRequestParser(self)
        self.in_head = self.in_body = self.chunked = False
        self.bodies: list[bytes] = []

    def feed(self, data: bytes) -> bool:
        """Whether the bytes pass."""
        if not self.guard.lets_in(data, in_head=self.in_head, in_body=self.in_body):
            return False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            return False
        self.guard.has_read(in_head=self.in_head)
        return True

    def on_message_begin(self) -> None:
        self.in_head, self.chunked = True, False
        self.guard.heads += 1
        self.bodies.append(b"")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.chunked = self.chunked or name.lower() == b"transfer-encoding"

    def on_headers_complete(self) -> None:
        self.in_head, self.in_body = False, True
        if self.chunked and not self.guard.begin_body():
            raise ValueError

    def on_body(self, body: bytes) -> None:
        self.bodies[-1] += body
        self.guard.rest = 0

    def on_message_complete(self) -> None:
        self.in_body = False
        self.guard.lines = None


def chunked(body: bytes, coding: bytes = b"Transfer-Encoding: chunked") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: a\r\n" + coding + b"\r\n\r\n" + body


BEFORE = (
    b"\r\n\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
    b"POST /2 HTTP/1.1\r\nContent-Length: 4\r\n\r\n\r\n\r\n"
    + chunked(b"4;a=b\r\n\r\n\r\n\r\n0\r\n\r\n")
    + chunked(b"1\r\nx\r\n0\r\nX: y\r\nY: z\r\n\r\n")
    + b"\r\n"
)
BAD = {
    "17 digits": chunked(b"00000000000000005" + END),
    "17 digits of the last chunk": chunked(b"1\r\nx\r\n00000000000000000\r\n\r\n"),
    "17 digits of the second": chunked(b"1\r\nx\r\n00000000000000005" + END),
    "beyond signed 64 bits": chunked(b"8000000000000000\r\nhello"),
    "a long extension": chunked(b"5;" + b"a" * EXTENSION_BYTES + END),
    "a long quoted extension": chunked(b'5;a="' + b"b" * EXTENSION_BYTES + b'"' + END),
    "a tab before chunked": chunked(b"5" + END, b"Transfer-Encoding:\tchunked"),
    "two spaces before chunked": chunked(b"5" + END, b"transfer-encoding:  chunked"),
}
GOOD = {
    "16 digits": chunked(b"0000000000000005" + END),
    "a 4 KiB extension": chunked(b"5;" + b"a" * (EXTENSION_BYTES - 1) + END),
    "no space": chunked(b"5" + END, b"TRANSFER-ENCODING:chunked"),
    "a body that looks like lines": chunked(b"13\r\n00000000000000005\r\n\r\n0\r\n\r\n"),
    "a body that names a coding": chunked(b"20\r\n\r\nTransfer-Encoding:\tchunked\r\n\r\n\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("sent", [pytest.param(sent, id=name) for name, sent in BAD.items()])
@pytest.mark.parametrize("before", [b"", BEFORE], ids=["first", "pipelined"])
def test_what_the_parser_takes_is_stopped(before: bytes, sent: bytes) -> None:
    """In one segment, before or behind other requests, no byte of the body has passed."""
    door = Door()
    assert not door.feed(before + sent)
    assert door.bodies[-1] in (b"", b"x")


@pytest.mark.parametrize("sent", [pytest.param(sent, id=name) for name, sent in BAD.items()])
def test_no_segmentation_hides_it(sent: bytes) -> None:
    """Cut in two anywhere, or byte by byte, it is stopped all the same."""
    for at in range(1, min(len(sent), 200)):
        door = Door()
        assert not (door.feed(sent[:at]) and door.feed(sent[at:])), at
    door = Door()
    assert not all(door.feed(sent[at : at + 1]) for at in range(len(sent)))


@pytest.mark.parametrize("sent", [pytest.param(sent, id=name) for name, sent in GOOD.items()])
def test_what_is_right_passes_however_it_is_cut(sent: bytes) -> None:
    """Alone, pipelined, in random segments: every request is read, and the next one on the connection too."""
    rng = random.Random(5)
    stream = BEFORE + sent + sent + b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
    for _ in range(300):
        cuts = sorted({0, len(stream), *(rng.randrange(len(stream)) for _ in range(rng.randrange(12)))})
        door = Door()
        assert all(door.feed(stream[a:b]) for a, b in pairwise(cuts)), cuts
        assert len(door.bodies) == 7
        assert door.bodies[4] == door.bodies[5]


def test_a_body_behind_an_unread_one_is_not_misread() -> None:
    """Behind a body that began in another segment positions are not known; a right request is never refused."""
    first = b"POST / HTTP/1.1\r\nContent-Length: 300\r\n\r\n"
    inner = chunked(b"5" + END)
    door = Door()
    assert door.feed(first)
    assert door.feed(b"x" * 300 + inner * 5)
    assert door.bodies[1:] == [b"hello"] * 5


def test_thousands_of_pipelined_bodies_cost_no_more_each_than_one() -> None:
    """A client that sends them at once must not hold up everybody else while the lines of each are looked for."""
    door, begun = Door(), perf_counter()
    assert door.feed(chunked(b"0\r\n\r\n") * 6_000)
    assert len(door.bodies) == 6_000
    assert perf_counter() - begun < 5  # a minute, when each was looked for from the first on


def test_nothing_is_held_between_requests() -> None:
    """An idle connection keeps none of what it was sent."""
    door = Door()
    assert door.feed(chunked(b"5" + END))
    assert door.guard._raw == b""


@pytest.mark.parametrize("before", [b"", b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n"])
def test_trailers_that_never_end_are_stopped(before: bytes) -> None:
    """Also where the lines of the body are not known, a trailer is not gathered for ever."""
    door = Door()
    assert door.feed(before)
    assert door.feed((b"x" if before else b"") + chunked(b"5\r\nhello\r\n0\r\nX: "))
    assert not all(door.feed(b"y" * 1_000) for _ in range(REST_BYTES // 1_000 + 3))


def test_a_line_that_never_ends_is_stopped() -> None:
    """Without a line end in sight the size line is refused at its limit, not gathered."""
    lines = ChunkLines()
    assert lines.are_plain(b"5;" + b"a" * 4000)
    assert not lines.are_plain(b"a" * 200)
