"""What an origin's trouble does to those who ask, and what does not count as trouble."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.relay.breaker import Rules, State
from gateway.relay.exchange import Answer, Outgoing, exchange
from gateway.relay.pool import Bounds, Pool
from gateway.relay.trouble import Trouble
from tests.gateway.proxy.harness import OK, Received, always, read_body, until
from tests.gateway.proxy.harness import Answer as Script
from tests.gateway.relay.places import places, pool_of
from tests.gateway.relay.test_pool import GET

ON_BOTH_LOOPS = True
QUICK = Rules(misses=3, open_s=0.2, longest_s=0.4)


async def outcome(pool: Pool, request: Outgoing = GET, timeout_s: float = 2.0) -> int | Trouble:
    """The status of an answer that is read to its end, or the trouble."""
    answer = await exchange(pool, request, timeout_s=timeout_s, idle_s=2)
    if isinstance(answer, Trouble):
        return answer
    async for _ in answer.body():
        pass
    return answer.status


def state(pool: Pool) -> State:
    """The breaker of the only address."""
    return pool.figures().addresses[0].state


async def hang(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def hang_up(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_body(request, reader)
    writer.transport.abort()


async def test_a_restart_is_over_for_clients_soon_after_it_is_over() -> None:
    """With the defaults and requests all the time, the first answer comes within about a second of the first accept."""
    async with places(always(OK)) as (legacy,):
        pool = pool_of(legacy.origin)
        loop, seen = asyncio.get_running_loop(), list[tuple[float, int | Trouble]]()

        async def client() -> None:
            while True:
                seen.append((loop.time(), await outcome(pool)))
                await asyncio.sleep(0.01)

        clients = [asyncio.create_task(client()) for _ in range(8)]
        await until(lambda: len(seen) > 50)
        assert {what for _, what in seen} == {200}
        legacy.stop()
        await until(lambda: {what for _, what in seen[-20:]} == {Trouble.UNAVAILABLE})
        back, before = loop.time(), len(seen)
        await legacy.start()
        await until(lambda: seen[-1][1] == 200)
        recovered = next(when for when, what in seen[before:] if what == 200)
        assert recovered - back < 8  # seconds; 1 of them is the breaker's, the rest is for a busy machine
        await until(lambda: {what for _, what in seen[-50:]} == {200})
        for one in clients:
            one.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        assert Trouble.UNREACHABLE in {what for _, what in seen}
        await pool.aclose()


async def test_a_legacy_that_accepts_and_never_answers_is_left_alone() -> None:
    """Timeouts open the breaker; then callers are told at once, until one who tries is answered."""
    answers: list[Script] = [hang]

    async def scripted(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answers[0](request, reader, writer)

    async with places(scripted) as (legacy,):
        pool = pool_of(legacy.origin, rules=QUICK)
        got = [await outcome(pool, timeout_s=0.05) for _ in range(3)]
        assert got == [Trouble.TIMEOUT] * 3
        assert await outcome(pool) is Trouble.UNAVAILABLE
        assert pool.figures().addresses[0].opened == 1
        asked = len(legacy.received)
        await until(lambda: not pool._addresses.all_open(asyncio.get_running_loop().time()))
        probes = await asyncio.gather(*(outcome(pool, timeout_s=0.05) for _ in range(10)))
        assert sorted(probe.name for probe in probes if isinstance(probe, Trouble)) == ["TIMEOUT"] + ["UNAVAILABLE"] * 9
        assert len(legacy.received) == asked + 1
        answers[0] = always(OK)
        async with asyncio.timeout(10):
            while await outcome(pool) != 200:  # noqa: ASYNC110 - asked, not only waited for
                await asyncio.sleep(0.02)
        assert state(pool) is State.CLOSED
        assert [await outcome(pool) for _ in range(5)] == [200] * 5
        await pool.aclose()


async def test_a_legacy_that_hangs_up_before_it_answers_is_left_alone() -> None:
    """Each exchange had a new connection, and each died."""
    async with places(hang_up) as (legacy,):
        pool = pool_of(legacy.origin, rules=QUICK)
        assert [await outcome(pool) for _ in range(4)] == [Trouble.RESET] * 3 + [Trouble.UNAVAILABLE]
        assert pool.figures().misses == {"reset": 3}
        await pool.aclose()


async def test_idle_connections_of_an_address_that_fails_are_not_used() -> None:
    """When it opens, whoever comes next is told at once, though a connection was idle."""

    async def slow_for_some(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.target == b"/hang":
            await asyncio.Event().wait()
        writer.write(OK)

    slow = Outgoing(b"GET /hang HTTP/1.1\r\nhost: x\r\n\r\n", None, chunked=False, head_only=False, repeatable=True)
    async with places(slow_for_some) as (legacy,):
        pool = pool_of(legacy.origin, rules=QUICK)
        waiting = [asyncio.create_task(outcome(pool, slow, timeout_s=1.0)) for _ in range(3)]
        await until(lambda: len(legacy.received) == 3)
        assert await outcome(pool) == 200
        assert pool.figures().idle == 1
        assert await asyncio.gather(*waiting) == [Trouble.TIMEOUT] * 3
        assert pool.pick() is None
        assert await outcome(pool) is Trouble.UNAVAILABLE
        await pool.aclose()


async def test_nobody_stands_in_line_for_an_upstream_that_is_left_alone() -> None:
    """Every place is held by who waits for an answer; the others need not wait to hear that there is none."""
    async with places(hang) as (legacy,):
        pool = pool_of(legacy.origin, rules=Rules(misses=1, open_s=60), bounds=Bounds(connections=2, wait_s=60))
        patient = [asyncio.create_task(outcome(pool, timeout_s=60)) for _ in range(2)]
        await until(lambda: len(legacy.received) == 2)
        legacy.refuse()
        assert await pool.dial(asyncio.Protocol) is Trouble.UNREACHABLE
        async with asyncio.timeout(10):
            assert await outcome(pool) is Trouble.UNAVAILABLE
        for one in patient:
            one.cancel()
        await asyncio.gather(*patient, return_exceptions=True)
        await pool.aclose()


async def test_a_stream_that_never_ends_is_an_answer() -> None:
    """The head of one closes the breaker, when nothing else is asked for."""
    answers: list[Script] = [hang_up]

    async def stream(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n.\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    async def scripted(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answers[0](request, reader, writer)

    async with places(scripted) as (legacy,):
        pool = pool_of(legacy.origin, rules=QUICK)
        for _ in range(4):
            await outcome(pool)
        answers[0] = stream
        await until(lambda: not pool._addresses.all_open(asyncio.get_running_loop().time()))
        answer = await exchange(pool, GET, timeout_s=2, idle_s=60)
        assert isinstance(answer, Answer)
        await until(lambda: state(pool) is State.CLOSED)
        assert pool.figures().busy == 1
        await pool.aclose()


@pytest.mark.parametrize("status", [500, 502, 503, 429])
async def test_an_answer_is_an_answer_whatever_its_status(status: int) -> None:
    """Legacy's 500 is legacy's answer; the gateway makes nothing else of it."""
    raw = b"HTTP/1.1 %d x\r\ncontent-length: 0\r\n\r\n" % status
    async with places(always(raw)) as (legacy,):
        pool = pool_of(legacy.origin, rules=QUICK)
        assert [await outcome(pool) for _ in range(10)] == [status] * 10
        await pool.aclose()


async def test_clients_that_leave_or_stall_are_no_trouble_of_legacy() -> None:
    """Neither a cancelled request nor an upload that stops opens the breaker."""

    async def never() -> AsyncIterator[bytes]:
        yield b"1"
        await asyncio.Event().wait()

    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    async with places(hang) as (legacy,):
        pool = pool_of(legacy.origin, rules=QUICK)
        for _ in range(5):
            upload = Outgoing(head, never(), chunked=True, head_only=False, repeatable=False)
            stalled = await exchange(pool, upload, timeout_s=5, idle_s=5, body_idle_s=0.05)
            assert stalled is Trouble.STALLED_BODY
            leaver = asyncio.create_task(outcome(pool))
            before = len(legacy.received)
            await until(lambda: len(legacy.received) > before)  # noqa: B023 - waited for at once
            leaver.cancel()
            await asyncio.gather(leaver, return_exceptions=True)
        await asyncio.sleep(0.3)
        assert pool.figures().misses == {}
        assert state(pool) is State.CLOSED
        await pool.aclose()


async def test_a_kept_connection_that_was_closed_is_no_trouble_of_legacy() -> None:
    """Node closes idle connections; a request that meets that says nothing about its health."""
    write = Outgoing(GET.head, None, chunked=False, head_only=False, repeatable=False)

    async def second_dies(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(legacy.received) % 2 == 0:
            writer.transport.abort()
        else:
            writer.write(OK)

    async with places(second_dies) as (legacy,):
        pool = pool_of(legacy.origin, rules=Rules(misses=1))
        assert [await outcome(pool, write) for _ in range(6)] == [200, Trouble.RESET] * 3
        assert state(pool) is State.CLOSED
        await pool.aclose()


async def test_a_pool_that_is_closed_blames_nobody() -> None:
    """Who was waiting for an answer is told; the origin has missed nothing."""
    async with places(hang) as (legacy,):
        pool = pool_of(legacy.origin, rules=Rules(misses=1))
        waiting = [asyncio.create_task(outcome(pool)) for _ in range(3)]
        await until(lambda: len(legacy.received) == 3)
        await pool.aclose()
        assert await asyncio.gather(*waiting) == [Trouble.RESET] * 3
        await until(lambda: pool.figures().addresses[0].connections == 0)
        assert pool.figures().misses == {}


async def test_one_address_in_trouble_leaves_the_others_their_work() -> None:
    """Its breaker opens, theirs do not, and nobody is told that the upstream is unavailable."""
    async with places(hang_up, always(OK)) as (bad, good):
        pool = pool_of(bad.origin, good.origin, rules=Rules(misses=2, open_s=60))
        got = await asyncio.gather(*(outcome(pool) for _ in range(20)))
        assert set(got) == {200, Trouble.RESET}
        assert [await outcome(pool) for _ in range(10)] == [200] * 10
        assert [one.state for one in pool.figures().addresses] == [State.OPEN, State.CLOSED]
        await pool.aclose()


async def test_callers_are_shed_beyond_the_line() -> None:
    """So many are served, so many wait, the rest is told at once; the figures say so."""
    gate = asyncio.Event()

    async def held(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(OK)

    async with places(held) as (legacy,):
        pool = pool_of(legacy.origin, bounds=Bounds(connections=2, waiting=3, wait_s=60))
        callers = [asyncio.create_task(outcome(pool)) for _ in range(9)]
        await until(lambda: len(legacy.received) == 2 and sum(one.done() for one in callers) == 4)
        figures = pool.figures()
        assert (figures.busy, figures.idle, figures.waiting, figures.connecting) == (2, 0, 3, 0)
        assert figures.shed == {"busy": 4, "unavailable": 0}
        gate.set()
        got = await asyncio.gather(*callers)
        assert (got.count(200), got.count(Trouble.BUSY)) == (5, 4)
        assert (pool.figures().idle, pool.figures().opened_total) == (2, 2)
        await pool.aclose()
