"""A short campaign with a fixed seed, and judges that see what they are there for."""

from __future__ import annotations

import pytest

from gateway.proxy.server import FRONTS, Front
from tests.fuzz.campaign import as_entry, run
from tests.fuzz.client import Heard
from tests.fuzz.corpus import INNER, Seen, ask, chunked, get, post, posted
from tests.fuzz.grammar import LAST, connection
from tests.fuzz.judge import Outcome, verdicts, wire_verdicts
from tests.fuzz.minimise import minimise
from tests.fuzz.node import node_reader
from tests.fuzz.reading import Read
from tests.fuzz.upstream import Arrived


@pytest.mark.parametrize("front", FRONTS)
async def test_mutated_requests_are_never_split_merged_or_half_sent(front: Front) -> None:
    """Some thousand mutations of a fixed seed; `make fuzz` has a hundred thousand of new ones."""
    done = await run(front, seed=20_261_121, mutations=1_500)
    assert ["\n".join(as_entry(found)) for found in done.found] == []
    assert done.mutations >= 1_500
    assert min(done.requests, done.refused) > 300


def arrived(serial: int, seen: Seen, *, whole: bool = True, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Arrived:
    return Arrived(serial, Read(seen.method, seen.target, headers, b"1.1", bytearray(seen.body), whole), early=False)


def answer(serial: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nx-serial: %d\r\ncontent-length: 2\r\n\r\nok" % serial


REFUSAL = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 16\r\nconnection: close\r\n\r\n"
    b'{"code": "nope"}'
)
HIDDEN = post(b"Content-Length: %d\r\n" % len(INNER), INNER)
TWO = ask() + post(b"Content-Length: 5\r\n", b"hello")


async def judged(sent: bytes, heard: bytes, *came: Arrived, ended: bool = False) -> list[str]:
    async with node_reader() as node:
        (reading,) = await node.read([sent])
    return verdicts(Outcome(sent, came, Heard(heard, ended)), reading)


async def test_a_judge_has_nothing_against_what_is_right() -> None:
    """Two requests, each with its own answer, and a refusal that ends the connection."""
    assert await judged(TWO, answer(1) + answer(2), arrived(1, get()), arrived(2, posted())) == []
    assert await judged(ask() + ask(b"X : y\r\n"), answer(1) + REFUSAL, arrived(1, get()), ended=True) == []


@pytest.mark.parametrize(
    ("why", "sent", "came", "heard", "ended"),
    [
        ("split", HIDDEN, (arrived(1, posted(b"")), arrived(2, get(b"/admin"))), answer(1) + answer(2), False),
        ("merged", TWO, (arrived(1, posted()),), answer(1), False),
        ("body lost", TWO, (arrived(1, get()), arrived(2, posted(b""))), answer(1) + answer(2), False),
        ("target changed", TWO, (arrived(1, get(b"/x")), arrived(2, posted())), answer(1) + answer(2), False),
        ("never sent", TWO, (arrived(1, get()),), answer(1), False),
        ("crossed", TWO, (arrived(1, get()), arrived(2, posted())), answer(2) + answer(1), False),
        ("unanswered", TWO, (arrived(1, get()), arrived(2, posted())), answer(1), True),
        ("answered twice", TWO, (arrived(1, get()), arrived(2, posted())), answer(1) + answer(1) + answer(2), False),
        ("no HTTP", TWO, (arrived(1, get()), arrived(2, posted())), answer(1) + b"oops", True),
        ("cut", TWO, (arrived(1, get()), arrived(2, posted())), (answer(1) + answer(2))[:-1], True),
        ("invented", ask(), (arrived(1, get(), headers=((b"x", b"y"),)),), answer(1), False),
        ("goes on", ask(b"X : y\r\n"), (), REFUSAL, False),
        ("refused for nothing", ask(), (), REFUSAL, True),
        ("another came after", TWO, (arrived(1, get(), whole=False), arrived(2, posted())), answer(2), False),
        ("nobody reads it", ask(b"X : y\r\nZ\r\n"), (arrived(1, get()),), answer(1), False),
        ("gateway's own fault", ask(), (), REFUSAL.replace(b"400", b"502"), True),
    ],
)  # fmt: skip
async def test_a_judge_sees(why: str, sent: bytes, came: tuple[Arrived, ...], heard: bytes, ended: bool) -> None:
    """Whatever a gateway must not do has a verdict."""
    assert await judged(sent, heard, *came, ended=ended) != []


async def test_the_wire_is_read_twice() -> None:
    """What h11 reads and Node does not is seen, and the other way round."""
    async with node_reader() as node:
        right, bare_lf, spaced = ask() + TWO + chunked(b"0\r\n\r\n"), ask().replace(b"\r\n", b"\n"), ask(b"X : y\r\n")
        readings = await node.read([right, bare_lf, spaced])
    assert wire_verdicts(right, readings[0]) == []
    assert wire_verdicts(bare_lf, readings[1]) != []
    assert wire_verdicts(spaced, readings[2]) != []


async def test_a_finding_becomes_short() -> None:
    """Only the bytes that matter are left."""

    async def fails(data: bytes) -> bool:
        return b"\x00" in data and b"evil" in data

    assert await minimise(b"x" * 500 + b"evil" + b"y" * 700 + b"\x00" + b"z" * 90, fails) == b"evil\x00"


def test_a_seed_makes_the_same_connection_again() -> None:
    """And every one ends with a request that nobody has touched."""
    assert connection("1/2") == connection("1/2") != connection("1/3")
    assert all(connection(f"7/{number}").sent.endswith(LAST) for number in range(300))
