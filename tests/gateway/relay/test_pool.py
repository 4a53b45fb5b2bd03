"""The pool bounds connections, reuses the warmest, and closes what the origin would close."""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.relay import pool as pool_module
from gateway.relay.address import Origin
from gateway.relay.addresses import Addresses
from gateway.relay.connection import Connection
from gateway.relay.exchange import Answer, Outgoing, exchange
from gateway.relay.pool import Bounds, Pool
from gateway.relay.trouble import Trouble
from tests.gateway.proxy.harness import OK, Received, always, until, upstream
from tests.gateway.proxy.harness import Answer as Script
from tests.gateway.relay.places import places, pool_of

GET = Outgoing(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", None, chunked=False, head_only=False, repeatable=True)


def pool_to(port: int, *, most: int = 10, wait_s: float = 60.0, connect_s: float = 5.0) -> Pool:
    """A pool to a local port."""
    return Pool(Addresses(Origin("127.0.0.1", port)), Bounds(most, 100, wait_s, connect_s))


async def ask(pool: Pool, request: Outgoing = GET) -> bytes:
    """Make one exchange and read its body."""
    answer = await exchange(pool, request, timeout_s=2, idle_s=2)
    assert isinstance(answer, Answer)
    return b"".join([chunk async for chunk in answer.body()])


class News:
    """Listens on a connection."""

    def __init__(self) -> None:
        self.came = asyncio.Event()

    def heard(self) -> None:
        self.came.set()

    full = room = heard


async def used(connection: Connection) -> None:
    """One exchange on a connection that was taken."""
    news = News()
    connection.begin(news, GET.head, head_only=False)
    connection.sent_whole = True
    while not connection.answer.complete:
        news.came.clear()
        await news.came.wait()
    connection.answer.take()


async def test_one_connection_serves_one_request_after_another() -> None:
    """Connections are kept alive and used again."""
    seen: set[int] = set()

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.add(writer.get_extra_info("peername")[1])
        writer.write(OK)

    async with upstream(answer) as origin:
        pool = pool_to(origin.port)
        assert [await ask(pool) for _ in range(5)] == [b"ok"] * 5
        await pool.aclose()
    assert len(seen) == 1


def held(gate: asyncio.Event, open_now: list[int]) -> Script:
    """An origin that holds every answer until the gate opens and records how many it holds."""

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.append(open_now[-1] + 1)
        await gate.wait()
        open_now.append(open_now[-1] - 1)
        writer.write(OK)

    return answer


async def test_there_are_never_more_connections_than_allowed() -> None:
    """The fourth caller waits in line until one of three is free."""
    gate, open_now = asyncio.Event(), [0]
    async with upstream(held(gate, open_now)) as origin:
        pool = pool_to(origin.port, most=3)
        callers = [asyncio.create_task(ask(pool)) for _ in range(20)]
        await until(lambda: max(open_now) == 3)
        gate.set()
        assert await asyncio.gather(*callers) == [b"ok"] * 20
        await pool.aclose()
    assert max(open_now) == 3


async def test_the_line_has_a_deadline() -> None:
    """Who waits too long for a connection is told that all are busy."""
    gate, open_now = asyncio.Event(), [0]
    async with upstream(held(gate, open_now)) as origin:
        pool = pool_to(origin.port, most=1, wait_s=0.2)
        first = asyncio.create_task(ask(pool))
        await until(lambda: open_now[-1] == 1)
        assert await exchange(pool, GET, timeout_s=2, idle_s=2) is Trouble.BUSY
        gate.set()
        assert await first == b"ok"
        assert await ask(pool) == b"ok"
        await pool.aclose()


async def test_an_idle_connection_is_picked_at_once_the_warmest_first() -> None:
    """Without waiting one gets the connection that was given back last, and none when none is idle."""
    async with upstream(always(OK)) as origin:
        pool = pool_to(origin.port)
        assert pool.pick() is None
        answers = await asyncio.gather(*(exchange(pool, GET, timeout_s=2, idle_s=2) for _ in range(3)))
        for answer in answers:
            assert isinstance(answer, Answer)
            assert b"".join([chunk async for chunk in answer.body()]) == b"ok"
        warm = [pool.pick(), pool.pick(), pool.pick()]
        assert pool.pick() is None
        assert len(set(warm)) == 3
        cold, *_ = warm
        assert cold is not None
        pool.give_back(cold)
        assert pool.pick() is cold
        await pool.aclose()


@pytest.fixture
def many_files() -> Iterator[None]:
    """As many sockets as the system allows; both ends of each connection are in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
async def test_a_thousand_idle_connections_are_picked_the_warmest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their number, the one that was used last comes first."""
    monkeypatch.setattr(pool_module, "IDLE_S", 60.0)
    async with places(always(OK)) as (origin,):
        pool = pool_of(origin.origin, bounds=Bounds(connections=1_000, connect_s=60.0))
        taken = await asyncio.gather(*(pool.take() for _ in range(1_000)))
        connections = [connection for connection in taken if isinstance(connection, Connection)]
        for connection in connections:
            await used(connection)
            pool.give_back(connection)
        figures = pool.figures()
        assert (figures.idle, figures.busy, figures.opened_total, origin.accepted) == (1_000, 0, 1_000, 1_000)
        assert [pool.pick() for _ in range(1_000)] == connections[::-1]
        assert pool.pick() is None
        await pool.aclose()


async def test_an_idle_connection_that_died_is_not_picked() -> None:
    """The next one is, and the dead one's place is free at once."""
    async with places(always(OK)) as (origin,):
        pool = pool_of(origin.origin, bounds=Bounds(connections=3))
        alive, dead = [await pool.take() for _ in range(2)]
        for connection in (alive, dead):
            assert isinstance(connection, Connection)
            await used(connection)
            pool.give_back(connection)
        assert isinstance(dead, Connection)
        dead.transport.abort()
        assert pool.pick() is alive
        await until(lambda: pool.figures().addresses[0].connections == 1)
        assert pool.figures().idle == 0
        await pool.aclose()


async def test_a_connection_that_dies_on_its_way_to_a_waiting_caller_is_not_used() -> None:
    """Given and lost in the same turn of the loop: the caller gets another one."""
    async with places(always(OK)) as (origin,):
        pool = pool_of(origin.origin, bounds=Bounds(connections=1, wait_s=60.0))
        first = await pool.take()
        assert isinstance(first, Connection)
        await used(first)
        waiting = asyncio.create_task(pool.take())
        await until(lambda: pool.figures().waiting == 1)
        pool.give_back(first)
        first.transport.abort()
        async with asyncio.timeout(10):
            second = await waiting
        assert isinstance(second, Connection)
        assert second is not first
        await used(second)
        await pool.aclose()


async def test_a_cancelled_caller_frees_its_place() -> None:
    """Cancelling callers, waiting or served, never loses a connection's place."""
    gate, open_now = asyncio.Event(), [0]
    async with upstream(held(gate, open_now)) as origin:
        pool = pool_to(origin.port, most=2)
        callers = [asyncio.create_task(ask(pool)) for _ in range(6)]
        await until(lambda: max(open_now) == 2)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        gate.set()
        async with asyncio.timeout(10):
            assert list(await asyncio.gather(ask(pool), ask(pool), ask(pool))) == [b"ok"] * 3
        await pool.aclose()


async def test_an_idle_connection_is_closed_before_the_origin_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its idle time a connection is closed from this side."""
    monkeypatch.setattr(pool_module, "IDLE_S", 0.2)
    async with upstream(always(OK)) as origin:
        pool = pool_to(origin.port)
        assert await ask(pool) == b"ok"
        await until(origin.lost.is_set)
        assert await ask(pool) == b"ok"
        await pool.aclose()


async def test_bytes_nobody_asked_for_end_the_connection() -> None:
    """An answer that comes by itself is never given to the next caller."""

    async def twice(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(OK.replace(b"ok", b"no"))

    async with upstream(twice) as origin:
        pool = pool_to(origin.port)
        bodies = []
        for _ in range(3):
            bodies.append(await ask(pool))
            await asyncio.sleep(0.1)
        await pool.aclose()
    assert bodies == [b"ok"] * 3


async def test_an_early_answer_ends_an_upload() -> None:
    """A 413 before the body is sent is delivered at once, and the connection is not used again."""

    async def refuse(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65_536
            await asyncio.sleep(0)

    request = Outgoing(
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
        endless(),
        chunked=True,
        head_only=False,
        repeatable=False,
    )
    async with upstream(refuse) as origin:
        pool = pool_to(origin.port)
        async with asyncio.timeout(10):
            answer = await exchange(pool, request, timeout_s=2, idle_s=2)
            assert isinstance(answer, Answer)
            assert answer.status == 413
            assert [chunk async for chunk in answer.body()] == [b"big"]
        await pool.aclose()


async def test_a_request_never_waits_behind_the_rest_of_an_upload() -> None:
    """An origin that answers before it has read the body may never read it; the next request goes elsewhere."""

    async def read_the_head_only(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        if request.line.startswith(b"POST"):
            await asyncio.sleep(60)

    body = bytes(32 * 1024 * 1024)
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with upstream(read_the_head_only) as origin:
        pool = pool_to(origin.port)
        assert await ask(pool, Outgoing(head, body, chunked=False, head_only=False, repeatable=False)) == b"ok"
        assert await ask(pool) == b"ok"
        await pool.aclose()


@pytest.mark.parametrize("repeatable", [True, False])
async def test_only_a_repeatable_request_is_sent_again(repeatable: bool) -> None:
    """On a kept connection that died a read is repeated, a write is not."""

    async def second_dies(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(origin.received) == 2:
            writer.transport.abort()
        else:
            writer.write(OK)

    request = Outgoing(GET.head, None, chunked=False, head_only=False, repeatable=repeatable)
    async with upstream(second_dies) as origin:
        pool = pool_to(origin.port)
        assert await ask(pool) == b"ok"
        answer = await exchange(pool, request, timeout_s=2, idle_s=2)
        await pool.aclose()
    assert isinstance(answer, Answer) if repeatable else answer is Trouble.RESET
    assert len(origin.received) == (3 if repeatable else 2)
