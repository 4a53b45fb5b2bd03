"""An origin's answer to an upgrade is read the same in whatever pieces it comes."""

import pytest

from gateway.relay.answer import HEAD_LIMIT
from gateway.relay.trouble import Trouble
from gateway.relay.upgrade import UpgradeReader

SWITCH = (
    b"HTTP/1.1 101 Switching it is\r\nUpgrade: WebSocket\r\nX-A: 1\r\nConnection: keep-alive, Upgrade\r\nX-A: 2\r\n\r\n"
)


def read(raw: bytes, size: int) -> UpgradeReader:
    """Read bytes in pieces of a size until the decision."""
    reader = UpgradeReader(b"websocket")
    for at in range(0, len(raw), size):
        if reader.accepted or reader.trouble is not None:
            break
        reader.feed(raw[at : at + size])
    return reader


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_101_keeps_its_phrase_names_order_and_duplicates(size: int) -> None:
    """The head is known as it stood on the wire."""
    reader = read(SWITCH, size)
    assert (reader.accepted, reader.trouble, reader.reason) == (True, None, b"Switching it is")
    assert reader.headers == [
        (b"Upgrade", b"WebSocket"),
        (b"X-A", b"1"),
        (b"Connection", b"keep-alive, Upgrade"),
        (b"X-A", b"2"),
    ]


def test_what_came_with_a_101_is_kept() -> None:
    """The first frame may stand in the packet of the head."""
    assert read(SWITCH + b"\x81\x01a\r\n\r\n", 10_000).rest == b"\x81\x01a\r\n\r\n"


@pytest.mark.parametrize("size", [1, 1_000])
def test_answers_before_the_answer_are_told_apart_from_it(size: int) -> None:
    """103 goes to the client, 100 to nobody; then comes the 101, or a plain answer."""
    before = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n"
    accepted = read(before + SWITCH, size)
    assert accepted.accepted
    assert accepted.interim == [(103, b"Early", [(b"Link", b"</a>")])]
    assert (accepted.reason, len(accepted.headers)) == (b"Switching it is", 4)
    refused = read(before + b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", size)
    assert refused.answer is not None
    assert (refused.answer.status, refused.interim) == (403, [(103, b"Early", [(b"Link", b"</a>")])])


@pytest.mark.parametrize("size", [1, 1_000])
@pytest.mark.parametrize(
    ("raw", "body", "complete"),
    [
        (b"HTTP/1.1 401 Who\r\nContent-Length: 3\r\n\r\nabc", b"abc", True),
        (b"HTTP/1.1 302 Go\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc", True),
        (b"HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nabc", b"abc", False),
        (b"HTTP/1.0 426 Upgrade Required\r\n\r\nabc", b"abc", False),
    ],
)
def test_anything_but_a_101_is_a_plain_answer(raw: bytes, body: bytes, complete: bool, size: int) -> None:
    """Whatever its framing; without any it ends with the connection."""
    reader = read(raw, size)
    assert reader.answer is not None
    assert b"".join(reader.answer.take()) == body
    assert reader.answer.complete is complete
    reader.eof()
    assert reader.answer.complete


@pytest.mark.parametrize("size", [1, 1_000])
@pytest.mark.parametrize(
    "raw",
    [
        SWITCH.replace(b"WebSocket", b"h2c"),
        SWITCH.replace(b"Upgrade: WebSocket\r\n", b""),
        SWITCH.replace(b"Upgrade: WebSocket", b"Upgrade: websocket\r\nUpgrade: h2c"),
        SWITCH.replace(b"keep-alive, Upgrade", b"keep-alive"),
        SWITCH.replace(b"HTTP/1.1", b"HTTP/1.0"),
        SWITCH.replace(b"X-A: 1\r\n", b"X-A: 1\n"),
        SWITCH.replace(b"X-A: 1", b"X-A : 1"),
        b"+OK ready\r\n\r\n",
        b"HTTP/1.1 403 No\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nno",
    ],
)
def test_what_is_neither_is_trouble(raw: bytes, size: int) -> None:
    """A 101 to something else, half a 101, no HTTP, two framings."""
    reader = read(raw, size)
    assert reader.trouble is Trouble.BAD_ANSWER
    assert not reader.accepted


def test_a_head_without_end_is_trouble() -> None:
    """Whoever sends headers for ever is not listened to for ever."""
    endless = SWITCH[:-2] + b"X-B: " + b"b" * HEAD_LIMIT
    assert read(endless, 4_096).trouble is Trouble.BAD_ANSWER


def test_an_end_within_the_head_is_a_reset() -> None:
    """Nothing was decided."""
    reader = read(SWITCH[:-1], 1_000)
    reader.eof()
    assert reader.trouble is Trouble.RESET
