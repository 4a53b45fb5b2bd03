"""Copies in a whole data plane, made from settings: connections, breakers and credentials are not the clients'."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest

from gateway.app.plane import DataPlane, Needs, data_plane
from gateway.diff.rules import Rules
from gateway.message import Observation, OutboundRequest, Response, Side
from gateway.proxy.ledger import Ledger
from gateway.settings.model import Settings
from gateway.settings.reading import read_settings
from gateway.shadow.job import Job
from gateway.shadow.record import Recorder
from gateway.telemetry import counters
from tests.gateway.db.fixtures import new_live
from tests.gateway.proxy.harness import OK, Kept, Received, always, until, upstream

READ = OutboundRequest("GET", b"/a", ((b"authorization", b"Bearer client"),), None, "http", "::1", commit=False)


@pytest.fixture(autouse=True)
def counted() -> Iterator[Mapping[str, int]]:
    """The counters, from zero."""
    counters.clear()
    yield counters
    counters.clear()


@asynccontextmanager
async def plane(**options: object) -> AsyncIterator[DataPlane]:
    """A data plane from settings."""
    settings = read_settings(**options)
    assert isinstance(settings, Settings), settings
    needs = Needs(new_live("lots.list"), Kept(), lambda route: Rules(), Recorder())
    this = data_plane(settings, needs, ledger=Ledger(), tracing=None, new=None)
    try:
        yield this
    finally:
        await this.aclose()


def job(answered: Side = Side.LEGACY) -> Job:
    """A copy for the other side."""
    return Job("lots.list", "r-1", "shadow", 1, b"/a", Observation(answered, 200, (), b"ok", 1.0), READ)


async def hang(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await reader.read()


async def test_copies_have_connections_of_their_own_and_no_more_than_may_be_under_way() -> None:
    """Twenty copies for a side that hangs take two connections; a client's request finds its own at once."""
    async with (
        upstream(always(OK)) as legacy,
        upstream(hang) as new,
        plane(legacy=legacy.url, new=new.url, shadow_concurrency=2, max_connections=1) as this,
    ):
        for _ in range(20):
            this.mirror.offer(job())
        await until(lambda: len(new.received) == 2)
        asking = asyncio.create_task(this.front[Side.NEW].send(READ, timeout_s=0.5))
        await until(lambda: len(new.received) == 3)
        await asking
        assert len(new.received) == 3


async def test_a_side_that_clients_cannot_reach_gets_no_copies(counted: Mapping[str, int]) -> None:
    """The breaker of the clients' connections counts for copies as well: who is in trouble is not asked for more."""
    async with (
        upstream(hang) as legacy,
        upstream(always(OK)) as new,
        plane(legacy=legacy.url, new=new.url, breaker_misses=1, breaker_open_s=60) as this,
    ):
        await this.front[Side.LEGACY].send(READ, timeout_s=0.1)
        assert not this.mirror.has_room(Side.LEGACY, "lots.list")
        assert counted["shadow_dropped.breaker_open/lots.list"] == 1
        assert this.mirror.has_room(Side.NEW, "lots.list")


async def test_copies_that_time_out_leave_the_clients_connections_alone(counted: Mapping[str, int]) -> None:
    """A new side that hangs opens the copies' breaker, not the one that clients depend on."""
    async with (
        upstream(always(OK)) as legacy,
        upstream(hang) as new,
        plane(legacy=legacy.url, new=new.url, breaker_misses=1, breaker_open_s=60, shadow_timeout_s=0.5) as this,
    ):
        this.mirror.offer(job())
        await until(lambda: counted["shadow_verdict.mismatched/lots.list"] == 1)
        assert not this.mirror.has_room(Side.NEW, "lots.list")
        new.answer = always(OK)
        assert isinstance(await this.front[Side.NEW].send(READ, timeout_s=5), Response)


async def test_headers_of_a_side_come_from_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable stands for its value; a name without a value is left out."""
    monkeypatch.setenv("NEW_TOKEN", "t0ken")
    lines = "Authorization: Bearer ${NEW_TOKEN}\nX-Api-Key:"
    async with (
        upstream(always(OK)) as legacy,
        upstream(always(OK)) as new,
        plane(legacy=legacy.url, new=new.url, shadow_headers_new=lines) as this,
    ):
        this.mirror.offer(job())
        await until(lambda: bool(new.received))
    assert new.received[0].values(b"authorization") == [b"Bearer t0ken"]


@pytest.mark.parametrize(
    "line",
    [
        "s3cret",
        "Bad Name: s3cret",
        "a: s3cret\x01",
        "Host: s3cret",
        "X-Strangler-Shadow: s3cret",
        "a: ${NOT_SET} s3cret",
    ],
)
def test_a_header_that_cannot_be_replaced_is_told_without_its_value(line: str) -> None:
    """What frames or marks a message is the gateway's; no sentence repeats a secret."""
    problems = read_settings(legacy="http://x", shadow_headers_new=line)
    assert isinstance(problems, list)
    assert "shadow_headers_new" in problems[0]
    assert "s3cret" not in str(problems)
