"""Where frames end is known whatever the pieces they come in, and a farewell stands between two of them."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from gateway.proxy.frames import Frames, close_frame

LENGTHS = st.one_of(st.integers(0, 300), st.sampled_from([125, 126, 127, 65_535, 65_536, 70_000]))
OPCODES = st.sampled_from([Opcode.CONT, Opcode.TEXT, Opcode.BINARY])
FAREWELL = close_frame(1012)


def frame(opcode: Opcode, length: int, *, masked: bool, fin: bool = True) -> bytes:
    """A frame as the library writes it."""
    return Frame(opcode, b"\x81\x7f\x88" * (length // 3) + b"\xff" * (length % 3), fin).serialize(mask=masked)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bool, list[bytes], list[int]]:
    """A direction, its frames, and where its bytes are cut into pieces."""
    masked = draw(st.booleans())
    data = st.builds(
        lambda opcode, length, fin: frame(opcode, length, masked=masked, fin=fin), OPCODES, LENGTHS, st.booleans()
    )
    control = st.builds(
        lambda opcode, length: frame(opcode, length, masked=masked),
        st.sampled_from([Opcode.PING, Opcode.PONG]),
        st.integers(0, 125),
    )
    frames = draw(st.lists(st.one_of(data, control), min_size=1, max_size=6))
    size = sum(map(len, frames))
    cuts = draw(st.lists(st.one_of(st.integers(0, min(size, 40)), st.integers(0, size)), max_size=12))
    return masked, frames, sorted(cuts)


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    """The stream in pieces."""
    return [stream[a:b] for a, b in pairwise([0, *cuts, len(stream)])]


@given(streams(), st.data())
@settings(deadline=None)
def test_a_farewell_stands_at_the_first_boundary_after_it_was_asked_for(
    given_stream: tuple[bool, list[bytes], list[int]], data: st.DataObject
) -> None:
    """Whole frames pass unchanged, then the farewell, then nothing; also for every way to cut the bytes up."""
    masked, frames, cuts = given_stream
    stream = b"".join(frames)
    parts = pieces(stream, cuts)
    asked_at = data.draw(st.integers(0, len(parts)))
    follows, passed = Frames(masked=masked), b""
    for number, part in enumerate(parts):
        if number == asked_at:
            passed += follows.say_farewell(FAREWELL)
        passed += follows.pass_on(part)
    if asked_at == len(parts):
        passed += follows.say_farewell(FAREWELL)
    before = sum(map(len, parts[:asked_at]))
    ends = [0]
    for one in frames:
        ends.append(ends[-1] + len(one))
    boundary = next(end for end in ends if end >= before)
    assert passed == stream[:boundary] + FAREWELL
    assert (follows.known, follows.ended, follows.closed) == (True, True, False)


@given(streams())
@settings(deadline=None)
def test_what_passes_is_not_changed(given_stream: tuple[bool, list[bytes], list[int]]) -> None:
    """Without a farewell every byte goes on in the piece it came in, and a Close is noticed when it is whole."""
    masked, frames, cuts = given_stream
    follows = Frames(masked=masked)
    for part in pieces(b"".join(frames), cuts):
        assert follows.pass_on(part) is part
    goodbye = Frame(Opcode.CLOSE, b"\x03\xe8bye").serialize(mask=masked)
    follows.pass_on(goodbye[:-1])
    assert not follows.closed
    follows.pass_on(goodbye[-1:])
    assert (follows.closed, follows.ended, follows.known) == (True, True, True)


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 200 OK\r\n",
        b"\x83\x00",  # a reserved opcode
        b"\x8b\x00",
        b"\x89\x7e\x00\x7e",  # a ping of 126 bytes
        b"\x08\x00",  # a Close in fragments
        b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",  # 2**64 - 1 bytes
        b"\x82\x80\x00\x00\x00\x00",  # masked, by a server
    ],
)
def test_garbage_passes_and_has_no_boundaries(garbage: bytes) -> None:
    """Bytes that are no frames are legacy's to judge; a farewell never gets among them."""
    follows = Frames(masked=False)
    assert follows.pass_on(b"\x81\x01a") == b"\x81\x01a"
    assert follows.pass_on(garbage) == garbage
    assert not follows.known
    assert follows.say_farewell(FAREWELL) == b""
    assert follows.pass_on(b"\x81\x01a") == b"\x81\x01a"
    assert not follows.ended


def test_garbage_within_the_frames_that_a_farewell_waits_for_passes() -> None:
    """A farewell that has to wait does not come any more when what follows is no frame."""
    follows = Frames(masked=False)
    follows.pass_on(b"\x82\x05ab")
    assert follows.say_farewell(FAREWELL) == b""
    assert follows.pass_on(b"cd") == b"cd"
    assert follows.pass_on(b"e\xff\xff") == b"e" + FAREWELL
    unmasked = Frames(masked=True)
    unmasked.pass_on(b"\x82")
    assert unmasked.say_farewell(FAREWELL) == b""
    assert unmasked.pass_on(b"\x00rest") == b"\x00rest"
    assert (unmasked.known, unmasked.ended) == (False, False)


def test_a_frame_of_8_mib_is_followed_in_64_kib_pieces() -> None:
    """A large frame is one, whatever stands in it."""
    whole = frame(Opcode.BINARY, 8 * 2**20, masked=False)
    follows = Frames(masked=False)
    follows.pass_on(whole[:100])
    assert follows.say_farewell(FAREWELL) == b""
    passed = b"".join(follows.pass_on(whole[at : at + 65_536]) for at in range(100, len(whole), 65_536))
    assert passed == whole[100:] + FAREWELL


def test_after_a_farewell_the_senders_close_is_still_noticed() -> None:
    """What comes after the farewell goes nowhere, but whoever waits for the answer to it sees it."""
    follows = Frames(masked=False)
    assert follows.say_farewell(FAREWELL) == FAREWELL
    assert follows.pass_on(b"\x81\x01a" + FAREWELL) == b""
    assert follows.closed


def test_close_frames_are_what_the_library_writes() -> None:
    """A server's Close is bare, a client's is masked."""
    assert close_frame(1012) == Frame(Opcode.CLOSE, b"\x03\xf4").serialize(mask=False)
    masked = close_frame(1001, mask=b"\x01\x02\x03\x04")
    assert masked == b"\x88\x82\x01\x02\x03\x04" + bytes([0x03 ^ 1, 0xE9 ^ 2])
