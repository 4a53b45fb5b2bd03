"""An origin's bytes are read as h11 reads them, however they are cut, and never one byte too far."""

import itertools
import random

import h11
import pytest

from gateway.relay.answer import HEAD_LIMIT, REST_LIMIT, AnswerReader
from gateway.relay.trouble import Trouble


def read(raw: bytes, *, cuts: list[int] | None = None, head_only: bool = False, eof: bool = True) -> AnswerReader:
    """Feed bytes in pieces, then the end of the connection."""
    reader = AnswerReader(head_only=head_only)
    places = [0, *sorted(cuts or []), len(raw)]
    for start, end in itertools.pairwise(places):
        if start != end:
            reader.feed(raw[start:end])
    if eof:
        reader.eof()
    return reader


def body(reader: AnswerReader) -> bytes:
    """Everything that was read of the body."""
    return b"".join(reader.take())


SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: 1\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n"
WHOLE = [
    SIZED,
    CHUNKED,
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + SIZED,
    b"HTTP/1.1 200 OK\r\n\r\nhello",
    b"HTTP/1.0 200 OK\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
]


@pytest.mark.parametrize("raw", WHOLE)
def test_an_answer_is_the_same_however_it_is_cut(raw: bytes) -> None:
    """Cut at every byte: the same status and body, and trailers are not headers."""
    for cut in range(1, len(raw)):
        reader = read(raw, cuts=[cut])
        assert (reader.status, body(reader), reader.complete) == (200, b"hello", True)
        assert b"X-Trailer" not in dict(reader.headers)


@pytest.mark.parametrize("raw", [SIZED[:-1], CHUNKED[:-3], CHUNKED[:-25]])
def test_a_framed_answer_that_ends_early_is_cut(raw: bytes) -> None:
    """The end of the connection is no end of a framed body."""
    reader = read(raw)
    assert not reader.complete
    assert reader.trouble is Trouble.RESET


@pytest.mark.parametrize(
    ("raw", "keep"),
    [
        (SIZED, True),
        (CHUNKED, True),
        (SIZED.replace(b"X: 1", b"Connection: close"), False),
        (SIZED.replace(b"1.1", b"1.0"), False),
        (SIZED + b"x", False),
        (SIZED + b"HTTP/1.1 200 OK\r\n", False),
        (CHUNKED + SIZED, False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\nbody", False),
    ],
)
def test_a_connection_is_kept_only_when_nothing_is_left_of_the_answer(raw: bytes, keep: bool) -> None:
    """Whatever follows an answer must never become the next one."""
    reader = read(raw, eof=False)
    assert reader.complete
    assert reader.keep is keep


def test_the_answer_to_head_has_no_body_whatever_it_says() -> None:
    """Content-Length in an answer to HEAD announces nothing; bytes after it spoil the connection."""
    head = SIZED[: -len(b"hello")]
    assert (read(head, head_only=True, eof=False).complete, read(head, head_only=True, eof=False).keep) == (True, True)
    assert read(SIZED, head_only=True, eof=False).keep is False


@pytest.mark.parametrize(
    "raw",
    [
        b"NOT HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nBad Name: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
        b"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * (2 * HEAD_LIMIT) + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 6_000,
    ],
)
def test_what_is_no_answer_is_trouble(raw: bytes) -> None:
    """Nonsense, two framings, endless heads: no status is made of them."""
    reader = read(raw, cuts=list(range(4096, len(raw), 4096)))
    assert reader.trouble is Trouble.BAD_ANSWER
    assert not reader.complete


@pytest.mark.parametrize("body", [b"0\r\n\r\n", b"0", b"00000", b"5\r\nhello\r\n0\r\n\r\n", b"5;x=\r\n", b"x"])
def test_a_chunked_body_behind_the_answer_to_head_ends_the_connection(body: bytes) -> None:
    """Nobody asked for it, and what is left of it would be read before the next answer."""
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    for cut in range(1, len(head)):
        reader = read(head + body, cuts=[cut], head_only=True, eof=False)
        assert (reader.complete, reader.keep, reader.body()) == (True, False, b"")
    assert read(head, head_only=True, eof=False).keep


def test_a_refused_head_brings_no_body() -> None:
    """What came in one piece with a head that is no answer is not held as one: it would reach the client."""
    reader = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nHTTP/1.1 200 OK\r\n\r\nforged", eof=False)
    assert reader.trouble is Trouble.BAD_ANSWER
    assert not reader.chunks


@pytest.mark.parametrize(
    "start",
    [b"0\r\nX-Trailer: ", b"3;x=", b"3\r\nhel\r\n0\r\n"],
    ids=["one trailer line", "one chunk extension", "many trailer lines"],
)
def test_an_endless_trailer_is_not_kept_in_memory(start: bytes) -> None:
    """What is neither head nor body is bounded, too: the parser holds such a line whole."""
    reader = AnswerReader(head_only=False)
    reader.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + start)
    fed = 0
    while reader.trouble is None and fed < 10 * REST_LIMIT:
        reader.feed(b"a: b\r\n" * 700 if start.endswith(b"\n") else b"a" * 4096)
        fed += 4096
    assert reader.trouble is Trouble.BAD_ANSWER
    assert fed <= REST_LIMIT + 8192
    assert not reader.complete


def test_a_long_body_in_tiny_chunks_is_no_endless_trailer() -> None:
    """Each byte of body makes new room for extensions."""
    chunk = b"1;ext=%s\r\nx\r\n" % (b"a" * 500)
    raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 2_000 + b"0\r\n\r\n"
    reader = read(raw, cuts=list(range(100, len(raw), 100)), eof=False)
    assert (reader.complete, reader.keep, body(reader)) == (True, True, b"x" * 2_000)


@pytest.mark.parametrize("size", [200_000, 1_000_000])
def test_a_large_sized_body_passes_whole(size: int) -> None:
    """The copy-free path gives every byte, keeps the connection, and refuses one byte too many."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(range(256)) * (size // 256 + 1)
    whole = raw[: raw.index(b"\r\n\r\n") + 4 + size]
    reader = read(whole, cuts=list(range(1000, len(whole), 65_536)), eof=False)
    assert reader.complete
    assert reader.keep
    assert body(reader) == whole[-size:]
    longer = read(whole + b"!", cuts=list(range(1000, len(whole), 65_536)), eof=False)
    assert not longer.keep


def _by_h11(raw: bytes) -> tuple[int, bytes] | None:
    """Status and body as h11 reads them; None when it refuses."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=2**20)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(raw)
    connection.receive_data(b"")
    status, content = 0, b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                content += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return status, content
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except h11.RemoteProtocolError:
        return None


def test_what_we_accept_h11_reads_the_same() -> None:
    """20,000 mutated answers: never a complete answer that h11 reads differently."""
    rng = random.Random(11)
    accepted = 0
    for _ in range(20_000):
        raw = bytearray(rng.choice(WHOLE))
        for _ in range(rng.randint(0, 3)):
            place = rng.randrange(len(raw))
            match rng.randrange(3):
                case 0:
                    raw[place] = rng.choice(b"\r\n\0 :;,0159aAxX\xff")
                case 1:
                    del raw[place : place + rng.randint(1, 4)]
                case _:
                    raw[place:place] = rng.choice([b"\r\n", b"0", b" ", b"chunked", b"Content-Length: 3\r\n", b"\x00"])
        reader = read(bytes(raw), cuts=[rng.randrange(len(raw)) for _ in range(3)])
        other = _by_h11(bytes(raw))
        if reader.complete and other is not None:
            accepted += 1
            assert (reader.status, body(reader)) == other, bytes(raw)
    assert accepted > 2_000
