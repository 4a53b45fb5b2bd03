"""A regression on its way: caught in shadow and refused, and taken back by itself where somebody lets it loose."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.backends import Backend, backend_of
from tests.gateway.cli.conftest import Strangler, strangler
from tests.gateway.running import Running, eventually, start_gateway

__all__ = ["strangler"]

WATCHED = {"STRANGLER_AUTO_ROLLBACK": "yes"}
# a machine that runs tests pauses now and then: latency is another test's
ROUTE = "route: GET /lots/{id}\neffect: read\nstickiness: header:x-caller\ngate: {slack_ms: 5000}\n"


@dataclass(slots=True)
class Lots(Backend):
    """Answers a lot in JSON; `mangle` is the regression that somebody has planted in it."""

    mangle: Callable[[int, dict[str, Any]], dict[str, Any]] = lambda _, lot: lot
    status: int = 200

    async def _answer(self, target: bytes, writer: asyncio.StreamWriter) -> None:
        number = int(target.rpartition(b"/")[2])
        lot = self.mangle(number, {"id": number, "weight": {"kg": number * 2, "unit": "kg"}, "code": f"RAW-{number}"})
        body = json.dumps(lot).encode()
        head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        writer.write(head % (self.status, len(body)) + body)
        await writer.drain()


@dataclass(slots=True)
class Stage:
    """Both sides, the contracts, and a gateway in front."""

    legacy: Lots
    new: Lots
    contracts: Path
    gateway: Running

    def ask(self, count: int, first: int = 0) -> list[int]:
        """So many requests, eight at once; their statuses."""
        with ThreadPoolExecutor(8) as pool:
            answers = pool.map(
                lambda n: self.gateway.get(f"/lots/{n}", **{"x-caller": f"c{n}"}), range(first, first + count)
            )
            return [answer.status_code for answer in answers]

    def judged(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.gateway.api("GET", "/api/routes/lots.get/gate?to=canary").json()
        return answer

    def compared(self) -> int:
        (reason,) = [each for each in self.judged()["reasons"] if each["code"] == "mismatch_rate"]
        return int(reason["figures"]["samples"])

    def rollbacks(self) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = self.gateway.api("GET", "/api/routes/lots.get/rollbacks").json()["rollbacks"]
        return listed


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[Lots, Lots, Path]]:
    """Legacy, new, and contracts."""
    (tmp_path / "contracts" / "lots.get").mkdir(parents=True)
    (tmp_path / "contracts" / "lots.get" / "route.yaml").write_text(ROUTE)
    with backend_of(Lots, "legacy") as legacy, backend_of(Lots, "new") as new:
        yield legacy, new, tmp_path / "contracts"


@pytest.fixture
def stage(sides: tuple[Lots, Lots, Path], database: str, tmp_path: Path) -> Iterator[Stage]:
    """A gateway that watches."""
    legacy, new, contracts = sides
    options = ("--legacy", legacy.url, "--new", new.url, "--contracts", str(contracts), "--database-url", database)
    gateway = start_gateway(*options, state=tmp_path / "state", environment=WATCHED)
    yield Stage(legacy, new, contracts, gateway)
    gateway.stop()


def heavier(number: int, lot: dict[str, Any]) -> dict[str, Any]:
    """A weight is wrong in every third lot."""
    return {**lot, "weight": {**lot["weight"], "kg": lot["weight"]["kg"] + (number % 3 == 0)}}


def test_a_regression_is_caught_in_shadow_and_its_promotion_refused(stage: Stage, strangler: Strangler) -> None:
    """Within a hundred requests it is found, named by its path, and the route does not get into canary."""
    stage.new.mangle = heavier
    assert stage.gateway.flip("lots.get", "shadow").status_code == 200
    assert stage.ask(100) == [200] * 100
    assert eventually(lambda: stage.compared() == 100)
    where = ("--admin-url", stage.gateway.admin, "--token", stage.gateway.token)
    shown = strangler("mismatches", "lots.get", *where)
    assert "body/weight/kg" in shown.out
    asked = strangler("can-promote", "lots.get", "--to", "canary", *where)
    assert asked.code == 1
    assert asked.out.startswith("lots.get: shadow -> canary: fail")
    assert "FAIL  mismatch_rate: 34 of 100 comparisons mismatched" in asked.out
    refused = strangler("flip", "lots.get", "canary", *where)
    assert refused.code == 1
    assert "34 of 100 comparisons mismatched" in refused.err
    assert stage.gateway.stage("lots.get") == "shadow"
    forced = strangler("flip", "lots.get", "canary", "--force", "--reason", "I know better", *where)
    assert forced.code == 0
    newest = stage.gateway.api("GET", "/api/routes/lots.get/history").json()["changes"][0]
    assert (newest["forced"], newest["reason"]) == (True, "I know better")


def test_a_regression_let_loose_is_taken_back_by_itself(stage: Stage, strangler: Strangler) -> None:
    """In canary by force, mismatches take the route back; the history says why, how many were hit, which to look at."""
    stage.gateway.flip("lots.get", "canary", canary=10_000)
    stage.new.mangle = heavier
    assert stage.ask(60) == [200] * 60
    assert eventually(lambda: stage.gateway.stage("lots.get") == "legacy")
    asked = [int(target.rpartition(b"/")[2]) for target in stage.new.seen]  # all but those that came too late for it
    assert eventually(lambda: stage.rollbacks()[0]["compared"] == len(asked)), stage.rollbacks()
    rollback = stage.rollbacks()[0]
    assert (rollback["what"], rollback["from_version"], rollback["webhook"]) == ("mismatches", 1, "none")
    wrong = sum(number % 3 == 0 for number in asked)
    assert (rollback["answered"], rollback["affected"], rollback["failed"]) == (len(asked), wrong, 0)
    assert {one["where"] for one in rollback["exemplars"]} == {"body/weight/kg"}
    newest = stage.gateway.api("GET", "/api/routes/lots.get/history").json()["changes"][0]
    assert (newest["by"], newest["move"], newest["after"]["stage"]) == ("auto-rollback", "rollback", "legacy")
    assert "requests that the new side answered are known to be affected" in newest["reason"]
    told = strangler("history", "lots.get", "--admin-url", stage.gateway.admin, "--token", stage.gateway.token)
    assert f"affected: {wrong} of {len(asked)} requests that the new side answered" in told.out
    stage.ask(20)
    assert stage.gateway.stage("lots.get") == "legacy", "coming forward again needs a person"


def test_a_side_that_dies_is_left_within_seconds(stage: Stage) -> None:
    """All 5xx on new: the route goes back after a handful of them, once, though several workers could notice."""
    stage.gateway.flip("lots.get", "new", sample=0)
    assert stage.ask(20) == [200] * 20
    stage.new.status = 503
    failed = stage.ask(20).count(503)  # all twenty, or those before it was left
    assert eventually(lambda: stage.gateway.stage("lots.get") == "legacy")
    assert stage.ask(10) == [200] * 10
    assert eventually(lambda: [(each["what"], each["failed"]) for each in stage.rollbacks()] == [("errors", failed)])


def test_clean_samples_open_the_gate(sides: tuple[Lots, Lots, Path], database: str, tmp_path: Path) -> None:
    """With its own target of 3 %, a route is through after 99 clean samples, and not before; the bound is shown."""
    legacy, new, contracts = sides
    (contracts / "lots.get" / "route.yaml").write_text(ROUTE.replace("slack", "target: 3%, slack"))
    options = ("--legacy", legacy.url, "--new", new.url, "--contracts", str(contracts), "--database-url", database)
    gateway = start_gateway(*options, state=tmp_path / "state", environment=WATCHED)
    try:
        stage = Stage(legacy, new, contracts, gateway)
        gateway.flip("lots.get", "shadow")
        stage.ask(90)
        assert eventually(lambda: stage.compared() == 90)
        assert (stage.judged()["answer"], stage.judged()["more_clean_samples"]) == ("inconclusive", 9)
        refused = gateway.api("PUT", "/api/routes/lots.get/flag", json={"stage": "canary"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "gate_refused")
        assert refused.json()["error"]["gate"]["more_clean_samples"] == 9
        stage.ask(20, first=100)
        assert eventually(lambda: stage.compared() == 110)
        assert stage.judged()["answer"] == "pass", stage.judged()
        through = gateway.api("PUT", "/api/routes/lots.get/flag", json={"stage": "canary", "canary": 5_000})
        assert through.status_code == 200
        (newest, *_) = gateway.api("GET", "/api/routes/lots.get/history").json()["changes"]
        assert newest["forced"] is False
    finally:
        gateway.stop()
