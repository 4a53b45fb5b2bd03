"""After a mismatch legacy is asked again, and only where that can tell noise from a difference."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from time import time
from typing import Any

import pytest

from gateway.diff.verdict import Outcome
from gateway.message import Side
from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from gateway.shadow.pauses import TICK_S, Pauses
from gateway.shadow.repute import ONCE, STEADY, UNKNOWN
from gateway.telemetry import counters
from tests.gateway.proxy.harness import Answer, Received, ask, gateway, get, read_body, route, until, upstream

LOTS = route("lots.list", "GET /api/lots/{id}", new="/v2/lots/{id}")
SHADOW, NEW = Flag("lots.list", stage=Stage.SHADOW), Flag("lots.list", stage=Stage.NEW)
STAGES = pytest.mark.parametrize("flag", [SHADOW, NEW], ids=["legacy answers", "new answers"])


@pytest.fixture(autouse=True)
def counted() -> Iterator[Mapping[str, int]]:
    """The counters, from zero."""
    counters.clear()
    yield counters
    counters.clear()


def raw(body: Any, *headers: str, status: str = "200 OK") -> bytes:
    """An answer of JSON."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", *headers]
    if not status.startswith("304"):
        lines.append(f"content-length: {len(content)}")
    return "\r\n".join([*lines, "", ""]).encode() + content


def answers(make: Callable[[Received], bytes]) -> Answer:
    """Answer each request with what is made for it."""

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(request, reader)
        writer.write(make(request))

    return answer


def in_turn(*bodies: Any) -> Answer:
    """Answer with one after the other."""
    following = itertools.chain(bodies, itertools.repeat(bodies[-1]))
    return answers(lambda request: raw(next(following)))


@STAGES
async def test_legacy_is_not_asked_again_when_both_agree(flag: Flag) -> None:
    """Two requests for a request that matches, one for each side."""
    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(in_turn({"a": 1})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7"))
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.MATCHED
    assert (len(legacy.received), len(new.received)) == (1, 1)


@STAGES
async def test_what_legacy_disagrees_with_itself_about_is_noise(flag: Flag, counted: Mapping[str, int]) -> None:
    """A field that is another each time excuses itself; the second question is the first one, marked."""
    async with (
        upstream(in_turn({"a": 1, "n": 1}, {"a": 1, "n": 2})) as legacy,
        upstream(in_turn({"a": 1, "n": 77})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7?x=%20", "X-User: ann", "Cookie: a=b", "Authorization: Bearer t"))
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.NOISE
    assert [one.where for one in finding.verdict.noise] == ["body/n"]
    assert finding.verdict.mismatches == ()
    first, again = legacy.received
    assert again.values(b"x-strangler-shadow") == [b"1"]
    assert again.target == first.target == b"/api/lots/7?x=%20"
    for name in (b"x-user", b"cookie", b"authorization", b"host", b"x-request-id"):
        assert again.values(name) == first.values(name)
    assert len(new.received) == 1
    assert counted["shadow_recheck.noise"] == 1


@STAGES
async def test_the_rest_stays_a_mismatch(flag: Flag, counted: Mapping[str, int]) -> None:
    """Noise in one field hides nothing in another."""
    async with (
        upstream(in_turn({"a": 1, "n": 1}, {"a": 1, "n": 2})) as legacy,
        upstream(in_turn({"a": 2, "n": 77})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7"))
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.MISMATCHED
    assert [(one.where, one.control, one.candidate) for one in finding.verdict.mismatches] == [("body/a", "1", "2")]
    assert [one.where for one in finding.verdict.noise] == ["body/n"]
    assert len(legacy.received) == 1 + UNKNOWN
    assert counted["shadow_recheck.confirmed"] == 1


async def test_an_answer_that_somebody_has_changed_in_between_is_noise() -> None:
    """New was asked after the change, legacy before it and again after it."""
    async with (
        upstream(in_turn({"stock": 5}, {"stock": 4})) as legacy,
        upstream(in_turn({"stock": 4})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7"))
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.NOISE


async def test_a_clock_that_ticks_between_new_and_legacy_is_noise() -> None:
    """In stage new legacy is asked last: the recheck waits for whole seconds to change."""
    async with (
        upstream(answers(lambda request: raw({"now": int(time())}))) as legacy,
        upstream(answers(lambda request: raw({"now": int(time()) - 1}))) as new,
        gateway(legacy.url, routes=[LOTS], flags=[NEW], new=new.url, tick_s=TICK_S) as served,
    ):
        await ask(served.port, get("/api/lots/7"))
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.NOISE


@pytest.mark.parametrize("noise", [{}, {"draw": 0}], ids=["alone", "beside noise"])
async def test_many_wait_for_a_clock_of_seconds(noise: Mapping[str, int]) -> None:
    """They wait in no lane, so that there are more of them than lanes; other noise takes no place from them."""
    following = itertools.count()

    def says(behind: int) -> Answer:
        return answers(
            lambda request: raw({"now": f"at {int(time()) - behind}", **{name: next(following) for name in noise}})
        )

    async with (
        upstream(says(0)) as legacy,
        upstream(says(1)) as new,
        gateway(legacy.url, routes=[LOTS], flags=[NEW], new=new.url, tick_s=TICK_S) as served,
    ):
        await asyncio.gather(*(ask(served.port, get(f"/api/lots/{at}")) for at in range(16)))
        outcomes = Counter(finding.verdict.outcome for finding in await served.found(16))
    assert outcomes == {Outcome.NOISE: 16}


async def test_what_has_no_room_to_wait_for_a_clock_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A false alarm would take a route back."""
    monkeypatch.setattr(Pauses, "later", lambda self, work, held: None)
    now = int(time())
    async with (
        upstream(in_turn({"now": f"at {now}"})) as legacy,
        upstream(in_turn({"now": f"at {now - 1}"})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[NEW], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7"))
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.NOT_COMPARABLE


@STAGES
async def test_a_coin_that_legacy_throws_alike_is_thrown_again(flag: Flag) -> None:
    """Two answers of legacy agree by chance; the third one tells."""
    async with (
        upstream(in_turn({"coin": 1}, {"coin": 1}, {"coin": 2})) as legacy,
        upstream(in_turn({"coin": 2})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7"))
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.NOISE


async def test_two_coins_are_excused_by_two_answers() -> None:
    """Each by the one in which legacy has thrown it otherwise."""
    async with (
        upstream(in_turn({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2})) as legacy,
        upstream(in_turn({"a": 2, "b": 2})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7"))
        (finding,) = await served.found(1)
    assert [one.where for one in finding.verdict.noise] == ["body/a", "body/b"]


async def test_legacy_is_asked_once_about_a_place_that_is_known_to_keep_still() -> None:
    """A few mismatches were left there: chance is ruled out, and legacy has clients to serve."""
    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(in_turn({"a": 2})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url) as served,
    ):
        for number in range(STEADY + 2):
            await ask(served.port, get("/api/lots/7"))
            found = await served.found(number + 1)
    assert {each.verdict.outcome for each in found} == {Outcome.MISMATCHED}
    assert len(legacy.received) == STEADY * (1 + UNKNOWN) + 2 * (1 + ONCE)


async def test_a_copy_that_waits_for_a_clock_is_over_when_the_gateway_ends(counted: Mapping[str, int]) -> None:
    """It is dropped and counted; nobody waits for its second."""
    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(in_turn({"a": 2})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[NEW], new=new.url, tick_s=60.0) as served,
    ):
        await ask(served.port, get("/api/lots/7"))
        await until(lambda: len(legacy.received) == 2)
        await asyncio.sleep(0.1)
    assert counted["shadow_dropped.closing/lots.list"] == 1


async def test_an_unsafe_method_is_not_asked_again() -> None:
    """A POST that only reads is compared, and legacy gets it once."""
    search = route("lots.search", "POST /api/search")
    flag = Flag("lots.search", stage=Stage.SHADOW)
    async with (
        upstream(in_turn({"n": 1}, {"n": 2})) as legacy,
        upstream(in_turn({"n": 3})) as new,
        gateway(legacy.url, routes=[search], flags=[flag], new=new.url) as served,
    ):
        await ask(served.port, b"POST /api/search HTTP/1.1\nContent-Length: 2", b"{}")
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.MISMATCHED
    assert len(legacy.received) == 1
    assert new.received[0].body == b"{}"


@STAGES
async def test_nobody_is_asked_again_after_a_failure(flag: Flag) -> None:
    """A side that gives no answer has nothing that could be noise: while it is down legacy has no more to do."""

    async def reset(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(reset) as new,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=new.url) as served,
    ):
        reply = await ask(served.port, get("/api/lots/7"))
        (finding,) = await served.found(1)
    assert reply.status == (200 if flag is SHADOW else 502)
    assert (finding.verdict.outcome, finding.candidate_status) == (Outcome.MISMATCHED, None)
    assert finding.control_status == 200
    assert len(legacy.received) == 1


async def test_a_mismatch_stands_when_legacy_cannot_be_asked_again(counted: Mapping[str, int]) -> None:
    """Legacy fails at the second question: that is no excuse, and the verdict says so."""
    served_once = False

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served_once
        if served_once:
            writer.transport.abort()
        writer.write(raw({"a": 1}))
        served_once = True

    async with (
        upstream(answer) as legacy,
        upstream(in_turn({"a": 2})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7"))
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.MISMATCHED
    assert "could not be asked again" in finding.verdict.reason
    assert counted["shadow_recheck.failed"] == 1


async def test_legacy_is_spared_where_too_much_differs(counted: Mapping[str, int]) -> None:
    """Where every answer differs it is not asked about each; the mismatches of a route without noise stand."""
    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(in_turn({"a": 2})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url, rechecks=1.0) as served,
    ):
        for _ in range(6):
            await ask(served.port, get("/api/lots/7"))
        found = await served.found(6)
    assert {each.verdict.outcome for each in found} == {Outcome.MISMATCHED}
    assert counted["shadow_recheck.too_often"] > 0
    assert 6 < len(legacy.received) < 12


async def test_what_is_not_asked_about_may_be_noise_where_there_was_some(counted: Mapping[str, int]) -> None:
    """A route that has shown noise is not blamed on the new side where nobody could tell."""
    async with (
        upstream(in_turn(*({"n": turn} for turn in range(100)))) as legacy,
        upstream(in_turn({"n": -1})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url, rechecks=1.0) as served,
    ):
        await ask(served.port, get("/api/lots/7"))
        await served.found(1)
        for _ in range(5):
            await ask(served.port, get("/api/lots/7"))
        found = await served.found(6)
    outcomes = Counter(each.verdict.outcome for each in found)
    assert set(outcomes) == {Outcome.NOISE, Outcome.NOT_COMPARABLE}
    assert outcomes[Outcome.NOT_COMPARABLE] == counted["shadow_recheck.too_often"]
    assert all("to spare it" in each.verdict.reason for each in found if not each.verdict.noise)


async def test_legacy_is_not_asked_again_while_its_breaker_is_open() -> None:
    """A legacy that is in trouble is left alone; the mismatch stands."""
    answering = asyncio.Event()

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering.wait()
        writer.write(raw({"a": 2}))

    async with (
        upstream(in_turn({"a": 1})) as legacy,
        upstream(answer) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7"))
        await until(lambda: len(new.received) == 1)
        served.leave_alone.add(Side.LEGACY)
        answering.set()
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.MISMATCHED
    assert "could not be asked again" in finding.verdict.reason
    assert len(legacy.received) == 1


def with_tags(tag: str, body: Any, *, tagged: bool = True) -> Answer:
    """A side that knows its own entity tag, or none."""

    def make(request: Received) -> bytes:
        if tagged and request.values(b"if-none-match") == [tag.encode()]:
            return raw(None, f"etag: {tag}", status="304 Not Modified")
        return raw(body, f"etag: {tag}")

    return answers(make)


@pytest.mark.parametrize("value", [1, 2])
@STAGES
async def test_behind_a_304_the_whole_answers_are_compared(flag: Flag, value: int, counted: Mapping[str, int]) -> None:
    """The client's validator is legacy's: new sends the whole, legacy is asked for its own, and they are compared."""
    async with (
        upstream(with_tags('"legacy"', {"a": 1})) as legacy,
        upstream(with_tags('"new"', {"a": value})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=new.url) as served,
    ):
        reply = await ask(served.port, get("/api/lots/7", 'If-None-Match: "legacy"'))
        (finding,) = await served.found(1)
    assert reply.status == (304 if flag is SHADOW else 200)
    assert (finding.control_status, finding.candidate_status) == (200, 200)
    assert [one.where for one in finding.verdict.mismatches] == ([] if value == 1 else ["body/a"])
    assert finding.verdict.outcome is (Outcome.MATCHED if value == 1 else Outcome.MISMATCHED)
    assert len(legacy.received) == 2 + (0 if value == 1 else UNKNOWN)  # a mismatch is asked about, as any
    assert counted["shadow_recheck.confirmed"] == value - 1
    assert all(not request.values(b"if-none-match") for request in legacy.received[1:])


async def test_a_304_is_not_compared_where_legacy_is_spared(counted: Mapping[str, int]) -> None:
    """Nothing has been compared yet, and nothing will be: the copy is dropped, and counted by that."""
    async with (
        upstream(with_tags('"legacy"', {"a": 1})) as legacy,
        upstream(with_tags('"new"', {"a": 1})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url, rechecks=0.0) as served,
    ):
        await ask(served.port, get("/api/lots/7", 'If-None-Match: "legacy"'))
        await until(lambda: counted["shadow_dropped.spared/lots.list"] == 1)
    assert counted["shadow_recheck.too_often"] == 1
    assert len(legacy.received) == 1


async def test_two_304_match_without_another_question() -> None:
    """A validator that both sides know says that the client's copy is right by both."""
    async with (
        upstream(with_tags('"same"', {"a": 1})) as legacy,
        upstream(with_tags('"same"', {"a": 1})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7", 'If-None-Match: "same"'))
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.MATCHED
    assert (len(legacy.received), len(new.received)) == (1, 1)


@STAGES
async def test_behind_a_304_of_the_new_side_nothing_can_be_compared(flag: Flag) -> None:
    """The new side has sent nothing, and is not asked again; nor is legacy, whose answer is here."""
    async with (
        upstream(with_tags('"legacy"', {"a": 1})) as legacy,
        upstream(with_tags('"new"', {"a": 2})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7", 'If-None-Match: "new"'))
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.NOT_COMPARABLE
    assert "conditional" in finding.verdict.reason
    assert (len(legacy.received), len(new.received)) == (1, 1)


@pytest.mark.parametrize(("value", "outcome"), [(1, Outcome.MATCHED), (2, Outcome.MISMATCHED)])
async def test_a_part_is_compared_as_a_whole_where_the_client_named_its_version(value: int, outcome: Outcome) -> None:
    """If-Range names legacy's version (RFC 9110 section 13.1.5): new sends the whole, legacy is asked for its own."""

    def make(request: Received) -> bytes:
        part = request.values(b"if-range") == [b'"legacy"']
        return raw({"a": 1}, "content-range: bytes 0-7/8", status="206 Partial Content") if part else raw({"a": 1})

    async with (
        upstream(answers(make)) as legacy,
        upstream(in_turn({"a": value})) as new,
        gateway(legacy.url, routes=[LOTS], flags=[SHADOW], new=new.url) as served,
    ):
        await ask(served.port, get("/api/lots/7", "Range: bytes=0-7", 'If-Range: "legacy"'))
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is outcome
    assert (finding.control_status, finding.candidate_status) == (200, 200)
