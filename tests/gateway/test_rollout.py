"""Rollouts on real processes: steps through the gate, a restart in the middle, an end by a rollback."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.cli.conftest import Strangler, strangler
from tests.gateway.running import Running, eventually, start_gateway
from tests.gateway.test_way_back import ROUTE, WATCHED, Lots, Stage, heavier, sides

__all__ = ["sides", "strangler"]


@pytest.fixture
def stage(sides: tuple[Lots, Lots, Path], database: str, tmp_path: Path) -> Iterator[Stage]:
    """A gateway whose route has 120 clean samples in shadow, enough for its target."""
    legacy, new, contracts = sides
    (contracts / "lots.get" / "route.yaml").write_text(ROUTE.replace("slack", "target: 3%, slack"))
    stage = Stage(legacy, new, contracts, started(legacy, new, contracts, tmp_path / "state", database))
    stage.gateway.flip("lots.get", "shadow")
    stage.ask(120)
    assert eventually(lambda: stage.compared() == 120)
    yield stage
    stage.gateway.stop()


def started(legacy: Lots, new: Lots, contracts: Path, state: Path, database: str, token: str = "") -> Running:
    options = ("--legacy", legacy.url, "--new", new.url, "--contracts", str(contracts), "--database-url", database)
    return start_gateway(*options, state=state, environment=WATCHED, token=token)


def begin(stage: Stage, *steps: str, bake_s: float) -> None:
    body = {"steps": list(steps), "bake_s": bake_s, "reason": "as agreed"}
    answer = stage.gateway.api("POST", "/api/routes/lots.get/rollout", json=body)
    assert answer.status_code == 201, answer.text


def plan(stage: Stage) -> dict[str, Any]:
    answer: dict[str, Any] = stage.gateway.api("GET", "/api/routes/lots.get/rollout").json()["rollout"]
    return answer


@contextmanager
def traffic(stage: Stage) -> Iterator[None]:
    """Requests for as long as it lasts."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.05):
            stage.ask(8)

    asking = threading.Thread(target=ask)
    asking.start()
    yield
    over.set()
    asking.join()


def test_a_rollout_goes_to_its_end_by_itself(stage: Stage, strangler: Strangler) -> None:
    """Each step is flipped by the gateway after its time; `--watch` tells them and ends with 0."""
    where = ("--admin-url", stage.gateway.admin, "--token", stage.gateway.token)
    with traffic(stage):
        ran = strangler("rollout", "lots.get", "--steps", "10%,100%,new", "--bake", "1s", "--watch", *where)
    assert ran.code == 0, ran.out + ran.err
    assert "done, 3 of 3 steps taken (at new)" in ran.out
    assert stage.gateway.stage("lots.get") == "new"
    changes = stage.gateway.api("GET", "/api/routes/lots.get/history").json()["changes"]
    assert [(each["by"], each["after"]["stage"], each["after"]["canary"]) for each in changes[:3]] == [
        ("rollout", "new", 0),
        ("rollout", "canary", 10_000),
        ("rollout", "canary", 1_000),
    ]


def test_a_rollout_survives_the_gateway(stage: Stage, database: str) -> None:
    """The gateway is killed while a step bakes; the next one goes on with the plan."""
    begin(stage, "10%", "100%", bake_s=2)
    assert eventually(lambda: plan(stage)["taken"] == 1)
    before = stage.gateway
    before.stop(signal.SIGKILL)
    stage.gateway = started(stage.legacy, stage.new, stage.contracts, before.state, database, before.token)
    assert eventually(lambda: plan(stage)["state"] == "done", within=30), plan(stage)
    assert stage.gateway.api("GET", "/api/routes/lots.get").json()["flag"]["canary"] == 10_000


def test_a_failed_gate_pauses_and_a_person_cancels(stage: Stage, strangler: Strangler) -> None:
    """What is found between two steps stops the next one, with the reason; the route stays where it is."""
    begin(stage, "0.01%", "100%", bake_s=2)
    assert eventually(lambda: plan(stage)["taken"] == 1)
    stage.new.mangle = lambda number, lot: {**lot, "code": "X"} if number == 7 else lot
    stage.gateway.api("PUT", "/api/routes/lots.get/flag", json={"stage": "shadow"})
    where = ("--admin-url", stage.gateway.admin, "--token", stage.gateway.token)
    assert eventually(lambda: plan(stage)["state"] == "ended"), plan(stage)
    stage.ask(40)
    assert eventually(lambda: stage.compared() >= 160)
    for _ in range(5):
        stage.ask(1, first=7)
    assert eventually(lambda: stage.judged()["answer"] == "fail"), stage.judged()
    begin(stage, "1%", bake_s=1)
    assert eventually(lambda: plan(stage)["state"] == "paused"), plan(stage)
    shown = strangler("rollout", "lots.get", *where)
    assert shown.code == 1
    assert "paused, 0 of 1 step taken: 6 of " in shown.out
    assert strangler("rollout", "lots.get", "--resume", *where).code == 0
    assert eventually(lambda: plan(stage)["state"] == "paused")
    assert strangler("rollout", "lots.get", "--cancel", *where).code == 0
    assert strangler("rollout", "lots.get", "--resume", *where).code == 1
    assert stage.gateway.stage("lots.get") == "shadow"


def test_a_rollback_ends_the_rollout(stage: Stage) -> None:
    """The route goes wrong while a step bakes: it is taken back, and the plan does not bring it forward again."""
    begin(stage, "100%", "new", bake_s=60)
    assert eventually(lambda: plan(stage)["taken"] == 1)
    stage.new.mangle = heavier
    stage.ask(60)
    assert eventually(lambda: stage.gateway.stage("lots.get") == "legacy")
    assert eventually(lambda: plan(stage)["state"] == "ended")
    assert "auto-rollback moved the route to legacy" in plan(stage)["why"][0]
