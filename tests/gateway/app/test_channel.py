"""What is said between a supervisor and a worker, when one of them says nonsense, too much, or nothing."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.app.fleet.channel import MOST_BYTES, Channel, first_frame, packed
from gateway.app.fleet.figures import figures_of, status_of
from gateway.app.fleet.hello import packed_settings, unpacked_settings
from gateway.metrics.catalogue import REQUESTS
from gateway.settings.model import Settings


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Channel, socket.socket]]:
    """A channel, and the raw socket of its other end."""
    ours, theirs = socket.socketpair()
    channel = await Channel.on(ours)
    with theirs:
        yield channel, theirs
    channel.close()


async def test_frames_arrive_in_order_however_they_are_cut() -> None:
    """A frame may come in pieces, and several at once."""
    async with pair() as (channel, theirs):
        both = packed({"first": 1}) + packed({"second": "é"})
        for cut in (both[:3], both[3:11], both[11:]):
            theirs.sendall(cut)
            await asyncio.sleep(0.01)
        assert await channel.hear() == {"first": 1}
        assert await channel.hear() == {"second": "é"}


@pytest.mark.parametrize(
    "nonsense",
    [
        struct.pack("!I", MOST_BYTES + 1),
        struct.pack("!I", 4) + b"oops",
        struct.pack("!I", 2) + b"[]",
        struct.pack("!I", 3) + b"\xff\xfe\xfd",
        struct.pack("!I", 100_000) + b"[" * 100_000,
        struct.pack("!I", 10) + b"cut",
    ],
)
async def test_what_is_no_frame_ends_the_channel(nonsense: bytes) -> None:
    """Too large, no JSON, no object, no text, too deep, cut: nothing of it is taken, and nothing raises."""
    async with pair() as (channel, theirs):
        theirs.sendall(nonsense)
        theirs.shutdown(socket.SHUT_WR)
        assert await channel.hear() is None


async def test_telling_somebody_who_is_gone_is_no_error() -> None:
    """A dead worker's channel says so by False."""
    async with pair() as (channel, theirs):
        theirs.close()
        told = [await channel.tell({"what": "x" * 100_000}) for _ in range(5)]
        assert told[-1] is False


def test_the_first_frame_is_heard_without_a_loop() -> None:
    """A worker knows what to be before it starts anything."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(packed({"worker": 1}) + b"more")
        assert first_frame(theirs) == {"worker": 1}
        assert theirs.recv(4) == b"more"


def test_settings_arrive_whole() -> None:
    """Every kind of setting survives the journey, secrets and networks too, and no variable or file changes one."""
    sent = Settings(
        legacy="http://a:1",
        trusted_proxies="10.0.0.0/8,::1/128",
        admin_hosts="a,b",
        override_secret="x" * 40,
        timeout_s=1.5,
    )
    assert unpacked_settings(packed_settings(sent)).model_dump() == sent.model_dump()
    with pytest.raises(ValueError, match="legacy"):
        unpacked_settings({**packed_settings(sent), "legacy": "nonsense"})


def test_figures_that_are_none_are_left_out() -> None:
    """A worker's rows are taken where they fit the catalogue, and nothing else of it."""
    good = [["who", "new", "new", "2xx"], [3]]
    bad: list[object] = [[["who"], [1]], [["a", "b", "c", "d"], ["1"]], [["a", "b", "c", 4], [1]], "row", [[], []]]
    assert figures_of({REQUESTS.name: [good, *bad], "unheard_of": [[[], [1]]]}) == {REQUESTS.name: [tuple(good)]}
    assert figures_of({REQUESTS.name: "rows"}) is None
    assert figures_of([]) is None


def test_a_status_shows_what_is_of_its_kind() -> None:
    """/readyz repeats no long or strange values of a worker."""
    said = {"fresh": True, "panic": 1, "routes": "many", "why_stale": "x" * 1_000, "more": {}}
    assert status_of(said) == {"fresh": True, "why_stale": "x" * 200}
    assert status_of("ready") == {}
