"""A new side whose answers nobody can read to their end: clients get theirs, and it is asked now and then only."""

import asyncio
from collections.abc import Iterator, Mapping

import psutil
import pytest

from gateway.diff.verdict import Outcome
from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from gateway.shadow.rests import FEW
from gateway.telemetry import counters
from tests.gateway.proxy.harness import Received, ask, gateway, get, route, until, upstream
from tests.gateway.proxy.test_recheck import in_turn, raw

LOTS, MORE = route("lots.list", "GET /api/lots/{id}"), route("lots.more", "GET /api/more/{id}")
FLAGS = [Flag("lots.list", stage=Stage.SHADOW), Flag("lots.more", stage=Stage.SHADOW)]
AT_ONCE = 4  # copies of the harness under way
PIECE = b"x" * 65_536
PROBES = 4  # that one may be sent in the seconds that a test takes
MB = 1_000_000


@pytest.fixture(autouse=True)
def counted() -> Iterator[Mapping[str, int]]:
    """The counters, from zero."""
    counters.clear()
    yield counters
    counters.clear()


class Misbehaving:
    """A new side that answers one route well, and the other so that nobody comes to the end."""

    def __init__(self, how: str) -> None:
        self._head = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\n%b\r\n"
        self._length = {"huge": b"content-length: 100000000\r\n", "breaks off": b"content-length: 1000\r\n"}.get(
            how, b""
        )
        self._how, self.status = how, 200

    async def __call__(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.target.startswith(b"/api/more"):
            writer.write(raw({"a": 1}))
            return
        writer.write(self._head % (self.status, self._length))
        if self._how == "breaks off":
            writer.write(b"[")
            await writer.drain()
            writer.transport.abort()
        while not writer.is_closing():
            writer.write(PIECE)
            await writer.drain()
            await asyncio.sleep(0)
        raise ConnectionResetError


@pytest.mark.parametrize("how", ["endless", "huge", "breaks off"])
async def test_clients_and_other_routes_do_not_notice_a_side_that_never_comes_to_an_end(
    how: str, counted: Mapping[str, int]
) -> None:
    """After a few of these answers the route's copies rest, whatever is asked."""
    side = Misbehaving(how)
    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(side) as new,
        gateway(legacy.url, routes=[LOTS, MORE], flags=FLAGS, new=new.url) as served,
    ):
        before = psutil.Process().memory_info().rss
        for _ in range(60):
            assert (await ask(served.port, get("/api/lots/7"))).status == 200
            assert (await ask(served.port, get("/api/more/7"))).status == 200
        await until(lambda: counted["shadow_verdict.matched/lots.more"] == 60)
        await until(lambda: served.gateway.mirror.held == 0)
        asked = [one for one in new.received if one.target == b"/api/lots/7"]
        assert counted["shadow_dropped.resting/lots.list"] == 60 - len(asked)
        assert FEW <= len(asked) <= FEW + AT_ONCE + PROBES
        assert psutil.Process().memory_info().rss - before < 100 * MB


async def test_a_wrong_status_is_found_where_bodies_cannot_be(counted: Mapping[str, int]) -> None:
    """The copies that are sent tell it, each."""
    side = Misbehaving("huge")
    side.status = 500
    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(side) as new,
        gateway(legacy.url, routes=[LOTS], flags=FLAGS[:1], new=new.url) as served,
    ):
        for _ in range(20):
            await ask(served.port, get("/api/lots/7"))
        await until(lambda: counted["shadow_verdict.mismatched/lots.list"] >= FEW)
        found = await served.found(FEW)
    assert {(one.verdict.outcome, one.candidate_status) for one in found} == {(Outcome.MISMATCHED, 500)}
