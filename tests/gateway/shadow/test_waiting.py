"""Routes take turns at the lanes, and none keeps the others waiting, however slow its other side is."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.diff.rules import Rules
from gateway.message import Observation, OutboundRequest, Side
from gateway.shadow import lanes
from gateway.shadow.job import Job
from gateway.shadow.mirror import Bounds, Mirror
from gateway.shadow.waiting import LONGEST_S, WaitingRoom
from gateway.shadow.way import Way
from gateway.telemetry import counters
from gateway.upstream.inprocess import App, InProcess
from tests.gateway.proxy.harness import Kept, until


@pytest.fixture(autouse=True)
def no_counts() -> Iterator[None]:
    """The counters begin at zero."""
    counters.clear()
    yield
    counters.clear()


def job(route: str, target: bytes = b"/a") -> Job:
    """A copy on a route."""
    copy = OutboundRequest("GET", target, (), None, "http", "::1", commit=False)
    return Job(route, "abc-1", "shadow", 1, target, Observation(Side.LEGACY, 200, (), b"{}", 1.0), copy)


@asynccontextmanager
async def mirroring(new: App, *, concurrency: int) -> AsyncIterator[Mirror]:
    """A running mirror before a new side."""
    side = InProcess(new)
    mirror = Mirror({Side.NEW: Way(Side.NEW, side)}, lambda route: Rules(), Kept(), Bounds(concurrency=concurrency))
    mirror.start()
    try:
        yield mirror
    finally:
        async with asyncio.timeout(20):
            await mirror.aclose()
            await side.aclose()


def order(room: WaitingRoom) -> str:
    """The routes whose turn it is, one after the other, until nobody may have another lane."""
    taken = []
    while waiting := room.next(0.0):
        taken.append(waiting.job.route)
    return "".join(taken)


def test_routes_take_turns_and_leave_a_quarter_of_the_lanes() -> None:
    """Of eight lanes one route has six, whoever came first."""
    room = WaitingRoom(8, 100, 1_000)
    for route in "aaaaaaaaab":
        room.enter(job(route), 1, 0.0)
    assert order(room) == "abaaaaa"
    assert len(room) == 3
    room.leave(job("a"), 1)
    assert order(room) == "a"
    room.enter(job("c"), 1, 0.0)
    assert order(room) == "c"


@pytest.mark.parametrize("number", [1, 2, 3])
def test_few_lanes_are_everybodys(number: int) -> None:
    """A quarter of them is less than one."""
    room = WaitingRoom(number, 100, 1_000)
    for _ in range(number):
        room.enter(job("a"), 1, 0.0)
    assert order(room) == "a" * number


def test_a_route_has_three_quarters_of_the_room() -> None:
    """In jobs, and in bytes whether they wait or are under way."""
    room = WaitingRoom(2, 8, 100)
    for _ in range(6):
        assert not room.is_full("a")
        room.enter(job("a"), 10, 0.0)
    assert room.is_full("a")
    assert not room.is_full("b")
    assert room.is_too_heavy("a", 16)
    assert not room.is_too_heavy("a", 15)
    assert not room.is_too_heavy("b", 99)
    for _ in range(2):
        room.enter(job("b"), 1, 0.0)
    assert room.is_full("c")
    taken = room.next(0.0)
    assert taken is not None
    assert not room.is_full("c")
    assert room.is_too_heavy("a", 16)
    room.leave(taken.job, taken.size)
    assert not room.is_too_heavy("a", 16)
    assert len(room.empty()) == 7
    assert not room
    assert room.next(0.0) is None


def test_the_last_that_came_is_the_next() -> None:
    """Where more come than are compared, what is found is of now; who has waited too long goes first, to be dropped."""
    room = WaitingRoom(4, 100, 1_000)
    for number in range(3):
        room.enter(job("a", b"/%d" % number), 1, number * 1.0)
    taken = [room.next(LONGEST_S + 0.5) for _ in range(3)]
    assert [waiting and waiting.job.target for waiting in taken] == [b"/0", b"/2", b"/1"]


async def test_a_slow_route_does_not_keep_the_copies_of_another_waiting() -> None:
    """Its new side takes a second for each; a hundred of them wait when one of another route comes."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await asyncio.sleep(1)
        await send({"type": "http.response.start", "status": 200, "headers": ()})
        await send({"type": "http.response.body", "body": b"{}"})

    async with mirroring(app, concurrency=4) as mirror:
        for _ in range(100):
            assert mirror.offer(job("slow", b"/slow"))
        await asyncio.sleep(0.1)
        for _ in range(20):
            assert mirror.offer(job("quick"))
        await until(lambda: counters["shadow_verdict.matched/quick"] == 20)
        assert counters["shadow_verdict.matched/slow"] < 50
    assert counters["shadow_dropped.closing/slow"] > 0
    assert mirror.held == mirror.waiting == 0


async def test_a_copy_that_has_waited_too_long_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What legacy answered then is no measure for what the new side says now."""
    monkeypatch.setattr(lanes, "LONGEST_S", 0.2)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.5)
        await send({"type": "http.response.start", "status": 200, "headers": ()})
        await send({"type": "http.response.body", "body": b"{}"})

    async with mirroring(app, concurrency=1) as mirror:
        for _ in range(5):
            assert mirror.offer(job("slow"))
        await until(lambda: counters["shadow_dropped.late/slow"] == 4)
        assert counters["shadow_verdict.matched/slow"] == 1
        assert mirror.offer(job("slow"))
        await until(lambda: counters["shadow_verdict.matched/slow"] == 2)
