"""Stages at the wire: who answered, what the other side was asked, and what was found."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from gateway.diff.verdict import Outcome
from gateway.message import Side
from gateway.rollout.bucket import bucket
from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from gateway.routing.route import Effect
from tests.gateway.proxy.harness import OK, always, ask, gateway, get, route, until, upstream

Message = MutableMapping[str, Any]
LOTS = route("lots.list", "GET /api/lots/{id}")
JSON_1 = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}'


class NewSide:
    """An ASGI app that records its scopes and answers JSON."""

    def __init__(self, answer: bytes = b'{"a":1}', *, wait: asyncio.Event | None = None) -> None:
        self.answer = answer
        self.wait = wait
        self.scopes: list[MutableMapping[str, Any]] = []

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        self.scopes.append(scope)
        while (await receive()).get("more_body"):
            pass
        if self.wait is not None:
            await self.wait.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": self.answer})


def sides(served_by: list[bytes]) -> set[bytes]:
    """The distinct sides of some answers."""
    return set(served_by)


async def test_new_answers_in_stage_new_and_legacy_is_asked_beside() -> None:
    """The new side's answer carries its name; legacy gets a marked copy of the read."""
    new = NewSide()
    flag = Flag("lots.list", stage=Stage.NEW)
    async with upstream(always(JSON_1)) as legacy, gateway(legacy.url, routes=[LOTS], flags=[flag], new=new) as served:
        reply = await ask(served.port, get("/api/lots/7?x=%20"))
        findings = await served.found(1)
    assert reply.values(b"x-strangler-side") == [b"new"]
    assert reply.body.startswith(b'7\r\n{"a":1}')
    assert new.scopes[0]["raw_path"] == b"/api/lots/7"
    assert new.scopes[0]["query_string"] == b"x=%20"
    assert new.scopes[0]["extensions"]["strangler.run"] == {"commit": True}
    assert legacy.received[0].values(b"x-strangler-shadow") == [b"1"]
    assert findings[0].authoritative is Side.NEW
    assert findings[0].verdict.outcome is Outcome.MATCHED


async def test_retired_never_contacts_legacy() -> None:
    """A retired route is new's alone."""
    flag = Flag("lots.list", stage=Stage.RETIRED)
    new = NewSide()
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[LOTS], flags=[flag], new=new) as served:
        reply = await ask(served.port, get("/api/lots/7"))
        await asyncio.sleep(0.1)
    assert reply.values(b"x-strangler-side") == [b"new"]
    assert legacy.received == []


async def test_canary_sends_a_caller_where_its_bucket_lies() -> None:
    """A caller below the share is on new, one above and one without a key on legacy."""
    place = bucket("g", b"ann")
    flag = Flag("lots.list", stage=Stage.CANARY, canary=place + 1, sample=0)
    out = next(str(n) for n in range(99) if bucket("g", str(n).encode()) > place)
    async with (
        upstream(always(JSON_1)) as legacy,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=NewSide()) as served,
    ):
        answered = [
            (await ask(served.port, get("/api/lots/7", *who))).values(b"x-strangler-side")
            for who in (["X-User: ann"], [f"X-User: {out}"], [])
        ]
    assert answered == [[b"new"], [b"legacy"], [b"legacy"]]


async def test_the_client_has_its_answer_before_the_copy_is_sent() -> None:
    """A new side that hangs costs the client nothing; its copy is told to roll back."""
    never = asyncio.Event()
    new = NewSide(wait=never)
    flag = Flag("lots.list", stage=Stage.SHADOW)
    async with upstream(always(JSON_1)) as legacy, gateway(legacy.url, routes=[LOTS], flags=[flag], new=new) as served:
        async with asyncio.timeout(1.5):
            reply = await ask(served.port, get("/api/lots/7"))
            await until(lambda: bool(new.scopes))
        never.set()
        findings = await served.found(1)
    assert reply.values(b"x-strangler-side") == [b"legacy"]
    assert new.scopes[0]["extensions"]["strangler.run"] == {"commit": False}
    assert findings[0].verdict.outcome is Outcome.MATCHED


async def test_a_difference_is_found_and_named() -> None:
    """The finding tells where the two answers differ, and both values."""
    flag = Flag("lots.list", stage=Stage.SHADOW, version=3)
    new = NewSide(b'{"a":2}')
    async with upstream(always(JSON_1)) as legacy, gateway(legacy.url, routes=[LOTS], flags=[flag], new=new) as served:
        await ask(served.port, get("/api/lots/7", "X-Request-Id: abc-1"))
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.MISMATCHED
    (mismatch,) = finding.verdict.mismatches
    assert (mismatch.where, mismatch.control, mismatch.candidate) == ("body/a", "1", "2")
    assert (finding.request_id, finding.flag_version, finding.control_status) == ("abc-1", 3, 200)


async def test_a_secret_in_a_difference_is_not_kept() -> None:
    """What stands under a secret-looking name never reaches the evidence."""
    raw = b'{"token":"s3cret","api":{"apikey":"s3cret"}}'
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(raw), raw)
    flag = Flag("lots.list", stage=Stage.SHADOW)
    async with (
        upstream(always(answer)) as legacy,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=NewSide(b"{}")) as served,
    ):
        await ask(served.port, get("/api/lots/7?apikey=s3cret&x=1"))
        (finding,) = await served.found(1)
    assert finding.verdict.outcome is Outcome.MISMATCHED
    assert "s3cret" not in repr(finding)
    assert finding.target.endswith("&x=1")


async def test_a_write_is_not_copied() -> None:
    """In shadow a write goes to legacy alone."""
    create = route("lots.create", "POST /api/lots", effect=Effect.WRITE)
    new = NewSide()
    flag = Flag("lots.create", stage=Stage.SHADOW)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[create], flags=[flag], new=new) as served:
        await ask(served.port, b"POST /api/lots HTTP/1.1\nContent-Length: 2", b"{}")
        await asyncio.sleep(0.1)
    assert new.scopes == []
    assert len(legacy.received) == 1


async def test_the_mirror_drops_what_it_cannot_hold() -> None:
    """A full queue never makes a client wait; what does not fit is dropped."""
    never = asyncio.Event()
    flag = Flag("lots.list", stage=Stage.SHADOW)
    async with (
        upstream(always(JSON_1)) as legacy,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=NewSide(wait=never), queue=2) as served,
    ):
        async with asyncio.timeout(5):
            replies = await asyncio.gather(*(ask(served.port, get("/api/lots/7")) for _ in range(30)))
        never.set()
        await served.found(1)
        await until(lambda: served.gateway.mirror.held == 0)
    assert [reply.status for reply in replies] == [200] * 30
    assert len(served.kept.findings) < 30


async def test_a_body_over_the_cap_is_not_called_equal() -> None:
    """Answers too big to keep are not comparable, never matched."""
    raw = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2000\r\n\r\n" + b"x" * 2000
    flag = Flag("lots.list", stage=Stage.SHADOW)
    async with (
        upstream(always(raw)) as legacy,
        gateway(legacy.url, routes=[LOTS], flags=[flag], new=NewSide(b"x" * 2000), capture_bytes=1000) as served,
    ):
        reply = await ask(served.port, get("/api/lots/7"))
        (finding,) = await served.found(1)
    assert len(reply.body) == 2000
    assert finding.verdict.outcome is Outcome.NOT_COMPARABLE


async def test_a_new_side_that_crashes_is_502_with_its_code() -> None:
    """An exception in a handler is an answer with a code, and its text stays inside."""

    async def crash(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("secret detail")

    flag = Flag("lots.list", stage=Stage.RETIRED)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[LOTS], flags=[flag], new=crash) as served:
        reply = await ask(served.port, get("/api/lots/7"))
    assert (reply.status, json.loads(reply.body)["code"]) == (502, "new_crashed")
    assert b"secret" not in reply.raw


async def test_the_new_path_is_filled_with_the_requests_own_bytes() -> None:
    """A route may live elsewhere on the new side; what stood in the path goes there unchanged."""
    moved = route("lots.list", "GET /api/lots/{id}", new="/v2/things/{id}/x")
    new = NewSide()
    flag = Flag("lots.list", stage=Stage.RETIRED)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[moved], flags=[flag], new=new) as served:
        await ask(served.port, get("/API/Lots/a%2Fb/?q"))
    assert new.scopes[0]["raw_path"] == b"/v2/things/a%2Fb/x"
    assert new.scopes[0]["query_string"] == b"q"


async def test_every_answer_under_flips_comes_from_a_side_the_flag_named() -> None:
    """200 flips under load of 32 connections: nobody fails, and no answer is from a side that was never named."""
    new = NewSide()
    stages = [Stage.LEGACY, Stage.NEW]
    async with upstream(always(JSON_1)) as legacy, gateway(legacy.url, routes=[LOTS], new=new) as served:
        named = [Stage.LEGACY]
        wrong: list[str] = []
        done = asyncio.Event()

        async def client() -> int:
            count = 0
            while not done.is_set():
                before = len(named) - 1
                reply = await ask(served.port, get("/api/lots/7"))
                side = reply.values(b"x-strangler-side")
                allowed = {b"legacy" if stage is Stage.LEGACY else b"new" for stage in named[before:]}
                if reply.status != 200 or not set(side) <= allowed or not side:
                    wrong.append(f"{reply.status} {side!r} not of {allowed}")
                count += 1
            return count

        clients = [asyncio.create_task(client()) for _ in range(32)]
        for number in range(200):
            stage = stages[(number + 1) % 2]
            named.append(stage)
            served.flag(Flag("lots.list", stage=stage, sample=0, version=number + 1))
            await asyncio.sleep(0.01)
        done.set()
        counts = await asyncio.gather(*clients)
    assert wrong == []
    assert sum(counts) > 200
