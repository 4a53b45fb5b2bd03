"""The mirror is bounded in jobs, bytes and time, and never in the way of whoever offers, closes or serves."""

import asyncio
import gc
import gzip
import io
import json
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date
from typing import Any

import psutil
import pytest

from gateway.diff.pattern import Pattern
from gateway.diff.rules import Circumstances, Difference, Rule, Rules
from gateway.diff.verdict import Kind, Outcome
from gateway.message import Headers, Observation, OutboundRequest, Side
from gateway.relay.answer import AnswerReader
from gateway.shadow import mirror as mirror_module
from gateway.shadow import pending, rests
from gateway.shadow.finding import Finding, Found, Sealed
from gateway.shadow.job import Job
from gateway.shadow.mirror import Bounds, Mirror
from gateway.shadow.rests import FEW
from gateway.shadow.served import ServedKind
from gateway.shadow.way import Way
from gateway.telemetry import JsonLines, counters
from gateway.upstream.http import HttpTransport
from gateway.upstream.inprocess import App, InProcess
from tests.gateway.proxy.harness import Kept, Received, until, upstream

JSON: Headers = ((b"content-type", b"application/json"),)
MB = 1_000_000


@pytest.fixture(autouse=True)
def counted() -> Iterator[Mapping[str, int]]:
    """The counters, from zero."""
    counters.clear()
    yield counters
    counters.clear()


def job(body: bytes = b'{"a":1}', *, headers: Headers = JSON, sent: bytes | None = None, target: bytes = b"/a") -> Job:
    """What legacy answered to a request, and the copy of it."""
    copy = OutboundRequest("GET", target, (), sent, "http", "::1", commit=False)
    return Job("lots.list", "abc-1", "shadow", 1, target, Observation(Side.LEGACY, 200, headers, body, 1.0), copy)


def answering(body: bytes, headers: Headers = JSON) -> App:
    """A new side that always answers the same."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def hang(scope: Any, receive: Any, send: Any) -> None:
    """A new side that never answers."""
    await asyncio.Event().wait()


@asynccontextmanager
async def mirror(
    new: App | HttpTransport,
    *,
    sink: Any = None,
    rules: Callable[[str], Rules] = lambda route: Rules(),
    queue: int = 1_000,
    timeout_s: float = 10.0,
    cap: int = 2 * MB,
    held_bytes: int = 32 * MB,
    flush_s: float = 0.02,
) -> AsyncIterator[tuple[Mirror, list[Finding]]]:
    """A running mirror before a new side, and what it found."""
    kept = Kept()
    transport = new if isinstance(new, HttpTransport) else InProcess(new)
    bounds = Bounds(queue=queue, concurrency=2, timeout_s=timeout_s, cap=cap, held_bytes=held_bytes, flush_s=flush_s)
    this = Mirror({Side.NEW: Way(Side.NEW, transport)}, rules, sink or kept, bounds)
    this.start()
    try:
        yield this, kept.findings
    finally:
        async with asyncio.timeout(20):
            await this.aclose()
            await transport.aclose()


class Watched(Rules):
    """Rules that allow what another process than the test's asks about."""

    def judge(self, difference: Difference, at: Circumstances) -> tuple[Rule | None, Rule | None]:
        if os.environ["STARTED_BY"] == str(os.getpid()):
            return super().judge(difference, at)
        where = Pattern("body", ("body", "**"))
        return Rule(where, frozenset(Kind), "elsewhere", "nobody", date.max, "a.yaml:1"), None


class Slow(Rules):
    """Rules that take longer than anybody waits."""

    def judge(self, difference: Difference, at: Circumstances) -> tuple[Rule | None, Rule | None]:
        time.sleep(60)
        return super().judge(difference, at)


class Deadly(Rules):
    """Rules that end the process they are asked in."""

    def judge(self, difference: Difference, at: Circumstances) -> tuple[Rule | None, Rule | None]:
        os._exit(1)


@pytest.mark.parametrize("packed", [True, False])
async def test_clients_do_not_wait_while_a_small_answer_is_compared(
    packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever differs is compared in a process of its own, small or packed: neither says what it costs."""
    monkeypatch.setenv("STARTED_BY", str(os.getpid()))
    before = set(threading.enumerate())
    headers = (*JSON, (b"content-encoding", b"gzip")) if packed else JSON
    mine, theirs = (json.dumps([at] * 90_000).encode() if packed else b"[%d]" % at for at in (1, 2))
    if packed:
        mine, theirs = gzip.compress(mine), gzip.compress(theirs)
    async with mirror(answering(theirs, headers), rules=lambda route: Watched()) as (shadow, found):
        assert shadow.offer(job(mine, headers=headers))
        await until(lambda: bool(found))
    assert found[0].verdict.allowed, found[0].verdict
    assert not any(thread.name.startswith("asyncio") for thread in set(threading.enumerate()) - before)


async def test_what_the_comparer_found_stays_closed_until_somebody_stores_it() -> None:
    """To make objects of every mismatch, here where clients are served, takes as long as to serve one."""

    class Sink:
        def __init__(self) -> None:
            self.found: list[Found] = []

        async def store(self, findings: Sequence[Found]) -> None:
            self.found += findings

        async def store_served(self, kinds: Mapping[ServedKind, int]) -> None:
            raise AssertionError("everything was compared")

    sink = Sink()
    async with mirror(answering(b'{"a":2}'), sink=sink) as (shadow, _):
        assert shadow.offer(job(b'{"a":1}'))
        await until(lambda: bool(sink.found))
    (found,) = sink.found
    assert isinstance(found, Sealed)
    assert [each.where for each in found.opened().verdict.mismatches] == ["body/a"]


async def test_waiting_copies_of_large_answers_do_not_fill_the_memory(counted: Mapping[str, int]) -> None:
    """150 answers of 1 MB before a new side that hangs: what is beyond the cap is dropped and counted, at once."""
    process = psutil.Process()
    async with mirror(hang, held_bytes=10 * MB) as (shadow, _):
        before = process.memory_info().rss
        taken = sum([shadow.offer(job(b"%03d" % number + b"x" * MB)) for number in range(150)])
        assert taken == 7  # a route has three quarters
        assert process.memory_info().rss - before < 50 * MB
    assert counted["shadow_dropped.bytes/lots.list"] == 143
    assert counted["shadow_dropped.queue_full/lots.list"] == 0


async def test_bodies_of_requests_and_heads_count_as_well() -> None:
    """A job holds the copy of the request, too."""
    async with mirror(hang, held_bytes=MB) as (shadow, _):
        assert not shadow.offer(job(sent=b"x" * MB))
        assert not shadow.offer(job(headers=((b"x", b"x" * MB),)))
        assert not shadow.offer(job(target=b"/" * MB))
        assert shadow.offer(job())


async def test_what_a_compared_copy_held_is_free_again() -> None:
    """One after another, far more passes through than may be held at once; a bug frees its bytes, too."""

    def rules(route: str) -> Rules:
        if len(offered) % 2:
            raise RuntimeError("a bug")
        return Rules()

    offered: list[None] = []
    big = job(b"x" * MB)
    async with mirror(answering(b"{}"), rules=rules, held_bytes=MB + 10_000) as (shadow, _):
        for _ in range(10):
            await until(lambda: shadow.offer(big))
            offered.append(None)


async def test_findings_that_wait_for_a_store_are_bounded(counted: Mapping[str, int]) -> None:
    """A store that is slower than the traffic costs evidence, not memory."""
    mine, theirs = (json.dumps([f"{side}{at}" * 20 for at in range(300)]).encode() for side in "ab")
    async with mirror(answering(theirs), sink=Stuck(), held_bytes=80_000) as (shadow, _):
        for _ in range(10):
            assert shadow.offer(job(mine))
            await until(lambda: counted["shadow_verdict.mismatched/lots.list"] == counted["shadow_offered.lots.list"])
    assert counted["evidence_dropped.bytes"] > 0


class Stuck:
    """A store that does not come back."""

    async def store(self, findings: Sequence[Found]) -> None:
        await asyncio.Event().wait()

    async def store_served(self, kinds: Mapping[ServedKind, int]) -> None:
        await asyncio.Event().wait()


async def test_a_store_that_hangs_is_left_after_a_while(
    counted: Mapping[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next findings get their chance."""
    monkeypatch.setattr(pending, "STORE_S", 0.1)
    async with mirror(answering(b"{}"), sink=Stuck()) as (shadow, _):
        shadow.offer(job())
        await until(lambda: counted["evidence_dropped.store_slow"] == 1)


@pytest.mark.parametrize("stuck", ["new side", "store", "comparison"])
async def test_closing_never_hangs(stuck: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever does not come back is left behind."""
    monkeypatch.setattr(mirror_module, "CLOSE_S", 0.2)
    new = hang if stuck == "new side" else answering(b'{"a":2}')
    rules = Slow() if stuck == "comparison" else Rules()
    async with mirror(new, sink=Stuck() if stuck == "store" else None, rules=lambda route: rules) as (shadow, _):
        for _ in range(20):
            shadow.offer(job())
        await asyncio.sleep(0.5)
        async with asyncio.timeout(10):
            await shadow.aclose()


async def test_a_comparison_that_ends_its_process_is_no_verdict() -> None:
    """What could not be compared is not comparable, and the next one has another process."""
    rules: list[Rules] = [Deadly(), Rules()]
    async with mirror(answering(b"{}"), rules=lambda route: rules.pop(0)) as (shadow, found):
        for _ in range(2):
            before = len(found)
            shadow.offer(job())
            await until(lambda: len(found) > before)  # noqa: B023 - it is over before the next turn
    assert [one.verdict.outcome for one in found] == [Outcome.NOT_COMPARABLE, Outcome.MISMATCHED]
    assert "given up" in found[0].verdict.reason


async def test_what_was_found_before_closing_is_stored() -> None:
    """Also what came within the last moment, before the store was asked."""
    async with mirror(answering(b"{}"), flush_s=60) as (shadow, found):
        for _ in range(5):
            shadow.offer(job())
        await until(lambda: counters["shadow_verdict.mismatched/lots.list"] == 5)
        assert found == []
    assert len(found) == 5


async def test_a_log_line_of_the_mirror_names_the_request_and_no_data() -> None:
    """The id is the shadowed request's; of a bug its place is told, not its text."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JsonLines())
    logger = logging.getLogger("strangler")
    logger.addHandler(handler)

    def rules(route: str) -> Rules:
        raise RuntimeError("password=s3cret")

    try:
        async with mirror(answering(b"{}"), rules=rules) as (shadow, _):
            for name in ("abc-1", "abc-2"):
                shadow.offer(job()._replace(request_id=name))
            await until(lambda: written.getvalue().count("\n") == 2)
    finally:
        logger.removeHandler(handler)
    assert "s3cret" not in written.getvalue()
    assert sorted(json.loads(line)["request_id"] for line in written.getvalue().splitlines()) == ["abc-1", "abc-2"]
    assert "RuntimeError" in written.getvalue()


async def endless(scope: Any, receive: Any, send: Any) -> None:
    """An app that sends for ever."""
    await send({"type": "http.response.start", "status": 200, "headers": JSON})
    while True:
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await asyncio.sleep(0.01)


async def huge(scope: Any, receive: Any, send: Any) -> None:
    """An app that sends 100 MB."""
    await send({"type": "http.response.start", "status": 200, "headers": JSON})
    for _ in range(1_000):
        await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def silent(scope: Any, receive: Any, send: Any) -> None:
    """An app that begins an answer and forgets it."""
    await send({"type": "http.response.start", "status": 200, "headers": JSON})
    await asyncio.Event().wait()


async def stubborn(scope: Any, receive: Any, send: Any) -> None:
    """An app that does not end when it is told to, for a while."""
    for _ in range(3):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("new", "reason"),
    [(endless, "new_timeout"), (silent, "new_timeout"), (hang, "new_timeout"), (huge, "longer than what is kept")],
)
async def test_a_copy_ends_when_its_app_does_not(new: App, reason: str) -> None:
    """An app in this process that streams, hangs or sends 100 MB costs its time limit and its cap, no more."""
    before = psutil.Process().memory_info().rss
    async with mirror(new, timeout_s=0.5, cap=100_000) as (shadow, found):
        for _ in range(4):
            shadow.offer(job())
        await until(lambda: len(found) == 4)
        assert psutil.Process().memory_info().rss - before < 50 * MB
    assert all(reason in finding.verdict.reason for finding in found)


@pytest.mark.parametrize("how", ["endless", "huge", "reset", "silent", "no answer"])
async def test_a_copy_ends_when_its_origin_does_not(how: str) -> None:
    """The same over HTTP; the origin's connection is let go of, and nothing stays busy."""

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if how == "no answer":
            await reader.read()
        length = {"huge": b"content-length: 100000000\r\n", "endless": b""}.get(how, b"content-length: 1000\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%b\r\n" % length)
        await writer.drain()
        if how == "reset":
            writer.transport.abort()
        while how in ("endless", "huge"):
            writer.write(b"x" * (MB if how == "huge" else 1))
            await writer.drain()
            await asyncio.sleep(0 if how == "huge" else 0.01)
        await reader.read()

    before = psutil.Process().memory_info().rss
    async with upstream(answer) as origin:
        new = HttpTransport(origin.url, side=Side.NEW, max_connections=2)
        async with mirror(new, timeout_s=0.5, cap=100_000) as (shadow, found):
            for _ in range(4):
                shadow.offer(job())
            await until(lambda: len(found) == 4)
            assert psutil.Process().memory_info().rss - before < 50 * MB
    wanted = {"huge": "longer than what is kept", "reset": "new_reset"}.get(how, "new_timeout")
    assert all(wanted in finding.verdict.reason for finding in found)


async def test_answers_that_are_too_long_are_let_go_of_at_once() -> None:
    """What came of them does not wait for the garbage collector: it comes seldom, and they come often."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000000\r\n\r\n"

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head + b"x" * MB)
        await reader.read()

    async with upstream(answer) as origin:
        new = HttpTransport(origin.url, side=Side.NEW, max_connections=2)
        async with mirror(new, cap=100_000) as (shadow, _):
            gc.disable()
            try:
                for number in range(10):
                    shadow.offer(job()._replace(route=f"lots.{number}"))
                await until(lambda: sum(counters[f"shadow_verdict.not_comparable/lots.{at}"] for at in range(10)) == 10)
                assert not [one for one in gc.get_objects() if isinstance(one, AnswerReader) and one.chunks]
            finally:
                gc.enable()


@pytest.mark.parametrize("new", [endless, huge, silent, hang, stubborn])
async def test_a_side_whose_answers_are_never_read_to_their_end_is_asked_now_and_then(
    new: App, counted: Mapping[str, int]
) -> None:
    """After a few of them copies for this route rest, counted; those of other routes have the workers to themselves."""
    asked = list[str]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await (answering(b"{}") if scope["path"] == "/b" else new)(scope, receive, send)

    async with mirror(app, timeout_s=0.2, cap=100_000) as (shadow, _):
        for _ in range(100):
            shadow.offer(job())
        well = job(b"{}")._replace(route="lots.get")
        for _ in range(20):
            shadow.offer(well._replace(copy=well.copy._replace(target=b"/b")))
        await until(lambda: counted["shadow_verdict.matched/lots.get"] == 20 and not shadow.waiting)
        assert FEW <= asked.count("/a") <= FEW + 1
        assert counted["shadow_dropped.resting/lots.list"] == 100 - asked.count("/a")
        assert not shadow.has_room(Side.NEW, "lots.list")
        assert shadow.has_room(Side.NEW, "lots.get")
        assert shadow.has_room(Side.LEGACY, "lots.list")


async def test_what_rests_still_finds_a_wrong_status_and_goes_on_with_the_first_answer_that_is_read(
    counted: Mapping[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an answer over the cap the status is compared; once one is not over it, every copy is sent again."""
    monkeypatch.setattr(rests, "FIRST_S", 0.1)
    monkeypatch.setattr(rests, "LONGEST_S", 0.1)
    status, body = 200, b"x" * 1_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": JSON})
        await send({"type": "http.response.body", "body": body})

    async def offered_until(name: str, number: int) -> None:
        async with asyncio.timeout(15):
            while counted[name] < number:
                if shadow.has_room(Side.NEW, "lots.list"):
                    shadow.offer(job())
                await asyncio.sleep(0.01)

    async with mirror(app, cap=100) as (shadow, _):
        await offered_until("shadow_dropped.resting/lots.list", 1)
        await until(lambda: counted["shadow_verdict.not_comparable/lots.list"] >= FEW)
        status = 500
        await offered_until("shadow_verdict.mismatched/lots.list", 2)
        status, body = 200, b'{"a":1}'
        await offered_until("shadow_verdict.matched/lots.list", 2)
        before = counted["shadow_dropped.resting/lots.list"]
        await offered_until("shadow_verdict.matched/lots.list", 50)
    assert counted["shadow_dropped.resting/lots.list"] == before


async def test_no_body_is_read_where_there_is_none_to_compare_it_with() -> None:
    """Legacy's own answer was over the cap: the copy is for its status and headers, and takes nothing of the body."""
    taken = list[int]()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": JSON})
        with suppress(OSError):
            for _ in range(1_000):
                await send({"type": "http.response.body", "body": b"x" * 1_000, "more_body": True})
                taken.append(1_000)

    async with mirror(app, cap=10 * MB) as (shadow, found):
        large = job()._replace(answered=job().answered._replace(body=b"", truncated=True))
        shadow.offer(large)
        await until(lambda: len(found) == 1)
    assert sum(taken) <= 70_000  # what an app may be ahead of its reader
    assert found[0].verdict.outcome is Outcome.MISMATCHED
    assert "longer than what is kept" in found[0].verdict.reason


async def test_whoever_watches_a_copy_may_mark_it_and_hears_what_came_of_it() -> None:
    """Traces follow a copy without the mirror knowing of them."""
    seen: list[Observation] = []
    sent: list[Headers] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        sent.append(tuple(scope["headers"]))
        await answering(b'{"a":1}')(scope, receive, send)

    def watch(copy: OutboundRequest) -> tuple[OutboundRequest, Callable[[Observation], None]]:
        return copy._replace(headers=((b"traceparent", b"t"),)), seen.append

    async with mirror(app) as (this, found):
        this.offer(job()._replace(watch=watch))
        await until(lambda: len(found) == 1)
    assert sent == [((b"traceparent", b"t"),)]
    assert [one.status for one in seen] == [200]


async def test_copies_that_nobody_is_sent_let_others_have_their_turns(counted: Mapping[str, int]) -> None:
    """A thousand that wait for a side that is left alone by now are dropped a few at a time, clients in between."""
    alone, turns = False, 0
    way = Way(Side.NEW, InProcess(hang), (), lambda: alone)
    this = Mirror({Side.NEW: way}, lambda route: Rules(), Kept(), Bounds(concurrency=2))
    for _ in range(1_000):
        assert this.offer(job())
    alone = True
    this.start()
    while counted["shadow_dropped.breaker_open/lots.list"] < 1_000:
        turns += 1
        await asyncio.sleep(0)
    await this.aclose()
    assert turns >= 400


async def test_what_is_found_is_heard_before_the_store_has_it() -> None:
    """Whoever takes a route back for it must not wait for a database that stands still."""
    heard: list[Found] = []
    way = Way(Side.NEW, InProcess(answering(b'{"a":2}')))
    kept = Kept()
    this = Mirror({Side.NEW: way}, lambda route: Rules(), kept, Bounds(flush_s=3_600.0), heard=heard.append)
    this.start()
    assert this.offer(job())
    await until(lambda: bool(heard))
    assert not kept.findings
    await this.aclose()
    assert len(kept.findings) == len(heard) == 1
