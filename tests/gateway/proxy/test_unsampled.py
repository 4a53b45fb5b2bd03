"""What legacy serves and nobody compares is known to the gate by its kind, at any sample, and costs next to nothing."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.rollout.evidence import Stratum
from gateway.rollout.flag import WHOLE, Flag
from gateway.rollout.stage import Stage
from gateway.routing.route import Effect
from gateway.shadow.drop import Drop
from gateway.shadow.served import MOST, PER_SECOND, Served
from gateway.telemetry import counters
from tests.gateway.proxy.harness import OK, always, ask, gateway, get, route, until, upstream
from tests.gateway.proxy.harness import Served as Serving

LOTS = route("lots.list", "GET /api/lots")
SEARCH = route("lots.search", "POST /api/search")
CREATE = route("lots.create", "POST /api/lots", effect=Effect.WRITE, rehearsed=True)
NEVER = route("lots.note", "POST /api/notes", effect=Effect.WRITE)
ALL = [LOTS, SEARCH, CREATE, NEVER]
PLAIN = Stratum("GET", 2, (), (), "", "")


def post(path: str, **fields: object) -> tuple[bytes, bytes]:
    """A head and a body of JSON."""
    body = json.dumps(fields).encode()
    head = f"POST {path} HTTP/1.1\nContent-Type: application/json\nContent-Length: {len(body)}"
    return head.encode(), body


async def kinds(serving: Serving, *wanted: Stratum) -> None:
    """Wait until these have been stored, and nothing else."""
    await until(lambda: set(wanted) <= set(serving.kept.served))
    await asyncio.sleep(0.1)
    assert set(serving.kept.served) == set(wanted)


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.CANARY])
async def test_an_unsampled_request_that_legacy_serves_is_known_by_its_kind(stage: Stage) -> None:
    """Query keys and the class of the status as a comparison would have them; nothing is sent to the new side."""
    flag = Flag("lots.list", stage=stage, sample=0)
    async with (
        upstream(always(OK)) as legacy,
        upstream(always(OK)) as new,
        gateway(legacy.url, routes=ALL, flags=[flag], new=new.url) as serving,
    ):
        for target in ("/api/lots", "/api/lots?limit=3", "/api/lots?limit=4"):
            assert (await ask(serving.port, get(target))).status == 200
        await kinds(serving, PLAIN, Stratum("GET", 2, ("limit",), (), "", ""))
        assert new.received == []
        assert serving.kept.served[PLAIN] == 1
        assert serving.kept.findings == []


@pytest.mark.parametrize("key", ["lots.search", "lots.create"])
async def test_the_keys_of_an_unsampled_body_are_known(key: str) -> None:
    """Also of a write that would have been rehearsed; the bytes reach legacy as they came."""
    flag = Flag(key, stage=Stage.SHADOW, sample=0)
    head, body = post("/api/search" if key == "lots.search" else "/api/lots", lot_code="RAW-9", weight_kg=3)
    async with (
        upstream(always(OK)) as legacy,
        upstream(always(OK)) as new,
        gateway(legacy.url, routes=ALL, flags=[flag], new=new.url) as serving,
    ):
        assert (await ask(serving.port, head, body)).status == 200
        await kinds(serving, Stratum("POST", 2, (), ("lot_code", "weight_kg"), "", "application/json"))
        assert legacy.received[0].body == body
        assert serving.gateway.mirror.held == 0


@pytest.mark.parametrize(
    ("target", "flag"),
    [
        ("/api/lots", Flag("lots.list")),
        ("/api/lots", Flag("lots.list", stage=Stage.CANARY, canary=WHOLE, sample=0)),
        ("/api/notes", Flag("lots.note", stage=Stage.SHADOW)),
        ("/elsewhere", Flag("lots.list", stage=Stage.SHADOW)),
    ],
    ids=["stage legacy", "the new side answers", "never compared", "no route"],
)
async def test_nothing_is_taken_down_where_the_gate_has_nothing_to_know(target: str, flag: Flag) -> None:
    """In stage legacy, of what the new side serves, and of routes that are never compared."""
    async with (
        upstream(always(OK)) as legacy,
        upstream(always(OK)) as new,
        gateway(legacy.url, routes=ALL, flags=[flag], new=new.url) as serving,
    ):
        head, body = (get(target), b"") if flag.route != "lots.note" else post(target, a=1)
        assert (await ask(serving.port, head + b"\nx-user: ann", body)).status == 200
        await asyncio.sleep(0.2)
        assert not serving.kept.served
        assert not serving.kept.findings


async def test_a_request_whose_copy_is_dropped_is_known_by_its_kind() -> None:
    """Whatever keeps it from being compared: the gate must not take what it has not seen for nothing."""
    flag = Flag("lots.list", stage=Stage.SHADOW)
    counters.clear()
    async with (
        upstream(always(OK)) as legacy,
        upstream(always(OK)) as new,
        gateway(legacy.url, routes=ALL, flags=[flag], new=new.url, held_bytes=1) as serving,
    ):
        assert (await ask(serving.port, get("/api/lots"))).status == 200
        await kinds(serving, PLAIN)
        assert counters[f"shadow_dropped.{Drop.BYTES}/lots.list"] == 1


async def test_what_legacy_fails_at_is_no_kind() -> None:
    """Nobody was served, and the new side has nothing to repeat."""
    flag = Flag("lots.list", stage=Stage.SHADOW, sample=0)
    async with upstream(always(OK)) as new:
        async with upstream(always(b"nonsense\r\n\r\n")) as legacy:
            async with gateway(legacy.url, routes=ALL, flags=[flag], new=new.url) as serving:
                assert (await ask(serving.port, get("/api/lots"))).status == 502
                await asyncio.sleep(0.2)
                assert not serving.kept.served


def test_so_many_of_a_route_are_looked_at_in_a_second() -> None:
    """And another route has its own; kinds that wait for the store are bounded, those that are known go on counting."""
    served = Served()
    took = sum(served.take("busy") for _ in range(10 * PER_SECOND))
    assert PER_SECOND <= took <= 2 * PER_SECOND  # a second may end meanwhile
    assert served.take("calm")
    for number in range(2 * MOST):
        served.saw(("busy", "r", Stratum("GET", 2, (f"key-{number}",), (), "", "")))
    served.saw(("busy", "r", Stratum("GET", 2, ("key-0",), (), "", "")))
    kinds = served.give()
    assert (len(kinds), max(kinds.values())) == (MOST, 2)
    assert not served.give()


def test_kinds_that_could_not_be_stored_wait_for_the_next_time() -> None:
    """They are as many as may wait, and no more."""
    served, kind = Served(), ("r", "", PLAIN)
    served.saw(kind)
    lost = served.give()
    served.saw(kind)
    served.take_back(lost)
    assert served.give() == {kind: 2}
