"""Copies of reads: sent after the client has its answer, apart from it in everything, and never lost unseen."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import psutil
import pytest

from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome
from gateway.message import Side
from gateway.rollout.flag import WHOLE, Flag
from gateway.rollout.stage import Stage
from gateway.shadow.repute import UNKNOWN
from gateway.telemetry import counters
from gateway.upstream.told import EXTENSION
from tests.gateway.proxy.harness import OK, Received, always, ask, gateway, get, read_body, route, until, upstream
from tests.gateway.proxy.test_recheck import in_turn, raw

LOTS = route("lots.list", "GET /api/lots/{id}")
SEARCH = route("lots.search", "POST /api/search")
SHADOW, NEW = Flag("lots.list", stage=Stage.SHADOW), Flag("lots.list", stage=Stage.NEW)
STAGES = pytest.mark.parametrize("flag", [SHADOW, NEW], ids=["legacy answers", "new answers"])
MB = 1_000_000


@pytest.fixture(autouse=True)
def counted() -> Iterator[Mapping[str, int]]:
    """The counters, from zero."""
    counters.clear()
    yield counters
    counters.clear()


def is_copy(request: Received) -> bool:
    """Whether a side was sent a copy."""
    return request.values(b"x-strangler-shadow") == [b"1"]


class Slow:
    """A side whose answer comes in two halves; the second one when it is let go on."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def __call__(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = raw({"a": 1})
        writer.write(answer[:-3])
        await self.go_on.wait()
        writer.write(answer[-3:])


@STAGES
async def test_the_copy_leaves_when_the_client_has_its_whole_answer(flag: Flag) -> None:
    """While the answer is under way the other side hears nothing, whoever answers."""
    slow = Slow()
    answering, other = (slow, in_turn({"a": 1})) if flag is SHADOW else (in_turn({"a": 1}), slow)
    async with (
        upstream(answering) as legacy,
        upstream(other) as new,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=new.url) as served,
    ):
        asked, copied = (legacy, new) if flag is SHADOW else (new, legacy)
        client = asyncio.create_task(ask(served.port, get("/api/lots/7")))
        await until(lambda: bool(asked.received))
        await asyncio.sleep(0.1)
        assert copied.received == []
        slow.go_on.set()
        assert (await client).status == 200
        (finding,) = await served.found(1)
    assert [is_copy(request) for request in (*asked.received, *copied.received)] == [False, True]
    assert finding.verdict.outcome is Outcome.MATCHED


@STAGES
async def test_a_client_that_leaves_after_its_answer_takes_no_copy_with_it(flag: Flag) -> None:
    """The copy has a life of its own: its answer is awaited though nobody is there any more."""
    late = asyncio.Event()

    async def slowly(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if is_copy(request):
            await late.wait()
        writer.write(raw({"a": 1}))

    async with (
        upstream(slowly) as legacy,
        upstream(slowly) as new,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7"))  # and closes its connection
        await until(lambda: any(is_copy(request) for request in (*legacy.received, *new.received)))
        await asyncio.sleep(0.1)
        late.set()
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.MATCHED


@STAGES
async def test_every_copy_on_a_connection_is_the_request_with_one_mark_more(flag: Flag) -> None:
    """Also once the gateway has come to know the fields that a client sends again and again, with a new id each."""
    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(in_turn({"a": 1})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=new.url) as served,
    ):
        asked, copied = (legacy, new) if flag is SHADOW else (new, legacy)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for number in range(5):
            writer.write(b"GET /api/lots/%d HTTP/1.1\r\nHost: shop.test\r\nX-Caller: ann\r\n\r\n" % number)
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            await until(lambda: len(copied.received) > number)  # noqa: B023 - it is over before the next turn
        writer.close()
    for request, copy in zip(asked.received, copied.received, strict=True):
        assert copy.line == request.line
        assert copy.headers == [*request.headers, (b"x-strangler-shadow", b"1")]
    assert len({copy.values(b"x-request-id")[0] for copy in copied.received}) == 5


@STAGES
async def test_a_client_that_leaves_within_its_answer_is_counted(flag: Flag, counted: Mapping[str, int]) -> None:
    """There is nothing whole to compare; the other side is not troubled."""
    slow = Slow()
    async with (
        upstream(slow) as legacy,
        upstream(slow) as new,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=new.url) as served,
    ):
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /api/lots/7 HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        await until(lambda: bool(legacy.received or new.received))
        await asyncio.sleep(0.1)
        writer.transport.abort()
        await until(lambda: counted["shadow_dropped.client_gone/lots.list"] == 1)
        assert len(legacy.received) + len(new.received) == 1
        assert served.gateway.mirror.held == 0


async def test_a_copy_is_written_down_nowhere_but_in_the_evidence() -> None:
    """Figures and access lines tell of clients' requests: one, though five were sent."""
    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(in_turn({"a": 2})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7"))
        await served.found(1)
        rows = served.gateway.ledger.rows()
    assert len(legacy.received) + len(new.received) == 2 + UNKNOWN
    assert rows["strangler_requests_total"] == [(["lots.list", "shadow", "legacy", "2xx"], [1])]


CREDENTIALS = ["Authorization: Bearer client", "Cookie: sid=client", "apikey: client", "X-User: ann"]


def sent(request: Received, *names: bytes) -> list[list[bytes]]:
    """What a side was sent under these names."""
    return [request.values(name) for name in names]


@STAGES
async def test_a_copy_carries_the_clients_credentials(flag: Flag) -> None:
    """The other side judges the same caller."""
    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(in_turn({"a": 1})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7", *CREDENTIALS))
        await served.found(1)
    for request in (*legacy.received, *new.received):
        names = b"authorization", b"cookie", b"apikey", b"x-user"
        assert sent(request, *names) == [[b"Bearer client"], [b"sid=client"], [b"client"], [b"ann"]]


@STAGES
async def test_a_side_may_have_credentials_of_its_own_for_copies(flag: Flag) -> None:
    """A copy carries them in place of the client's; the client's own request and a repetition of it do not."""
    replaced = {
        Side.NEW: ((b"authorization", b"Bearer new"), (b"apikey", None)),
        Side.LEGACY: ((b"authorization", b"Bearer legacy"),),
    }
    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(in_turn({"a": 2})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=new.url, replaced=replaced) as served,
    ):
        await ask(served.port, get("/api/lots/7", *CREDENTIALS))
        await served.found(1)
    first, again, *_ = (sent(request, b"authorization", b"apikey") for request in legacy.received)
    (other,) = (sent(request, b"authorization", b"apikey") for request in new.received)
    if flag is SHADOW:
        assert first == again == [[b"Bearer client"], [b"client"]]
        assert other == [[b"Bearer new"], []]
    else:
        assert first == again == [[b"Bearer legacy"], [b"client"]]
        assert other == [[b"Bearer client"], [b"client"]]


async def test_an_upload_over_the_cap_is_not_copied(counted: Mapping[str, int]) -> None:
    """The client's upload goes through; a part of it would be another request."""
    flag = Flag("lots.search", stage=Stage.SHADOW)
    async with (
        upstream(always(OK)) as legacy,
        upstream(always(OK)) as new,
        gateway(legacy.url, routes=[SEARCH], flags=[flag], new=new.url, capture_bytes=1_000) as served,
    ):
        for size, status in ((1_000, 200), (1_001, 200)):
            reply = await ask(served.port, b"POST /api/search HTTP/1.1\nContent-Length: %d" % size, b"x" * size)
            assert reply.status == status
        await served.found(1)
        assert counted["shadow_dropped.body_too_large/lots.search"] == 1
        assert served.gateway.mirror.held == 0
    assert [len(request.body) for request in new.received] == [1_000]


async def test_what_clients_are_still_reading_counts_as_held(counted: Mapping[str, int]) -> None:
    """Forty answers of 1 MB under way at once before a budget of 5 MB: every client gets its own, the memory stays."""
    body = json.dumps(["x" * 1_000] * 1_000).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    half = asyncio.Event()

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head + body[:-10])
        await half.wait()
        writer.write(body[-10:])

    async with (
        upstream(answer) as legacy,
        upstream(in_turn([])) as new,
        gateway(
            legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url, capture_bytes=2 * MB, held_bytes=5 * MB
        ) as served,
    ):
        before = psutil.Process().memory_info().rss
        clients = [asyncio.create_task(ask(served.port, get("/api/lots/7"))) for _ in range(40)]
        await until(lambda: len(legacy.received) == 40)
        await asyncio.sleep(0.5)
        assert served.gateway.mirror.held <= 5 * MB
        half.set()
        replies = await asyncio.gather(*clients)
        assert all(reply.body == body for reply in replies)
        assert psutil.Process().memory_info().rss - before < 40 * 5 * MB  # the clients of this test hold theirs
        await until(lambda: counted["shadow_dropped.bytes/lots.list"] >= 30)
        await until(lambda: served.gateway.mirror.held == 0)
    assert counted["shadow_dropped.bytes/lots.list"] + counted["shadow_offered.lots.list"] == 40


async def test_a_side_that_is_left_alone_gets_no_copies(counted: Mapping[str, int]) -> None:
    """Not even one that waits already; when it is asked again it gets them again."""
    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(in_turn({"a": 1})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url) as served,
    ):
        served.leave_alone.add(Side.NEW)
        assert (await ask(served.port, get("/api/lots/7"))).status == 200
        assert new.received == []
        assert counted["shadow_dropped.breaker_open/lots.list"] == 1
        served.leave_alone.clear()
        await ask(served.port, get("/api/lots/7"))
        await served.found(1)


async def test_a_new_side_goes_away_and_comes_back(counted: Mapping[str, int]) -> None:
    """While it hangs up its breaker opens and copies are dropped; clients notice nothing; then it is asked again."""
    down = True

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if down:
            writer.transport.abort()
        writer.write(raw({"a": 1}))

    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(answer) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url) as served,
    ):

        async def asked_until(name: str, number: int) -> None:
            async with asyncio.timeout(15):
                while counted[name] < number:
                    assert (await ask(served.port, get("/api/lots/7"))).status == 200
                    await asyncio.sleep(0.02)

        await asked_until("shadow_dropped.breaker_open/lots.list", 3)
        assert counted["shadow_verdict.matched/lots.list"] == 0
        assert 1 <= counted["shadow_verdict.mismatched/lots.list"] <= 20
        down = False
        await asked_until("shadow_verdict.matched/lots.list", 3)


async def test_a_side_that_was_not_asked_is_not_blamed(counted: Mapping[str, int]) -> None:
    """What the breaker keeps back is a copy dropped, never a mismatch."""
    async with (
        upstream(in_turn({"a": 1})) as legacy,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new="http://127.0.0.1:1") as served,
    ):
        for _ in range(30):
            await ask(served.port, get("/api/lots/7"))
        await until(lambda: served.gateway.mirror.waiting == 0 and served.gateway.mirror.held == 0)
        judged = counted["shadow_verdict.mismatched/lots.list"]
        assert judged + counted["shadow_dropped.breaker_open/lots.list"] == 30
        assert judged < 15
        await served.found(judged)
    assert {finding.verdict.reason for finding in served.kept.findings} == {"new_unreachable"}


async def test_a_failure_that_clients_see_is_evidence() -> None:
    """In stage new an answer that never came is a mismatch with what legacy says."""

    async def reset(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(reset) as new,
        gateway(legacy.url, routes=[LOTS], flags=[NEW], new=new.url) as served,
    ):
        assert (await ask(served.port, get("/api/lots/7"))).status == 502
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.MISMATCHED
    assert (finding.control_status, finding.candidate_status) == (200, None)
    assert is_copy(legacy.received[0])


async def test_a_clients_own_pace_is_no_sides_time() -> None:
    """A client that sends its request slowly makes neither side look slow."""
    flag = Flag("lots.search", stage=Stage.SHADOW)
    async with (
        upstream(always(OK)) as legacy,
        upstream(always(OK)) as new,
        gateway(legacy.url, routes=[SEARCH], flags=[flag], new=new.url) as served,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"POST /api/search HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\n\r\n{")
        await asyncio.sleep(1.5)
        writer.write(b"}")
        await reader.readuntil(b"ok")
        writer.close()
        (finding,) = await served.found(1)
    assert finding.control_ms < 1_000


async def test_a_callers_requests_are_sampled_together(counted: Mapping[str, int]) -> None:
    """Half of the callers are compared, each in all that they ask for or in nothing."""
    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(in_turn({"a": 1})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[replace(SHADOW, sample=5_000)], new=new.url) as served,
    ):
        for caller in range(20):
            for path in ("/api/lots/1", "/api/lots/2", "/api/lots/3"):
                await ask(served.port, get(path, f"X-User: {caller}"))
        await until(lambda: counted["shadow_verdict.matched/lots.list"] == len(new.received))
    copies = [request.values(b"x-user")[0] for request in new.received]
    assert 3 <= len(set(copies)) <= 17
    assert all(copies.count(caller) == 3 for caller in copies)


async def test_rules_that_are_edited_hold_for_the_next_comparison() -> None:
    """A difference that is no longer allowed, or newly so, is judged by what is in force when it is found."""
    known = {"lots.list": Rules(headers=frozenset({"x-extra"}))}
    answer = raw({"a": 1})
    other = raw({"a": 1}, "x-extra: 1")
    async with (
        upstream(always(answer)) as legacy,
        upstream(always(other)) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url, rules=known) as served,
    ):
        await ask(served.port, get("/api/lots/7"))
        await served.found(1)
        known["lots.list"] = Rules()
        await ask(served.port, get("/api/lots/7"))
        before, after = await served.found(2)
    assert (before.verdict.outcome, after.verdict.outcome) == (Outcome.MISMATCHED, Outcome.MATCHED)


async def test_a_gateway_that_ends_drops_what_waits(counted: Mapping[str, int]) -> None:
    """A full queue before a side that hangs holds up nobody's shutdown, and is counted to the last copy."""
    never = asyncio.Event()

    async def hang(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await never.wait()

    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(hang) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url, queue=50) as served,
    ):
        for _ in range(70):
            await ask(served.port, get("/api/lots/7"))
        await until(lambda: counted["shadow_dropped.queue_full/lots.list"] > 0)
        async with asyncio.timeout(5):
            await served.gateway.mirror.aclose()
        assert served.gateway.mirror.held == 0
        assert (await ask(served.port, get("/api/lots/7"))).status == 200
        names = "queue_full", "closing", "breaker_open"
        dropped = sum(counted[f"shadow_dropped.{name}/lots.list"] for name in names)
        assert dropped + counted["shadow_verdict.mismatched/lots.list"] == 71
        assert counted["shadow_dropped.closing/lots.list"] >= 4


async def test_an_upload_that_goes_on_after_its_rescue_holds_nothing() -> None:
    """Legacy answers early in the new side's place: what the client still sends then is kept for no comparison."""
    answered, whole = asyncio.Event(), asyncio.Event()

    async def early(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
        answered.set()
        await read_body(request, reader)
        whole.set()
        writer.write(b"ok")

    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("a bug")

    find, flag = route("find", "POST /find", rescue=True), Flag("find", stage=Stage.NEW, sample=WHOLE)
    state: dict[str, Any] = {EXTENSION: {}}
    async with (
        upstream(early) as legacy,
        gateway(legacy.url, routes=[find], flags=[flag], new=fails, new_state=state) as served,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"POST /find HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n" + b"a" * 10_000)
        await answered.wait()
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"b" * 20_000)
        await whole.wait()
        assert await reader.readexactly(2) == b"ok"
        writer.close()
        await until(lambda: served.gateway.mirror.held == 0)
    assert legacy.received[0].body == b"a" * 10_000 + b"b" * 20_000
