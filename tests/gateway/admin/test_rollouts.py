"""The gate, rollouts and rollbacks through the API: who is refused, with what words, and what force leaves behind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.db.rollbacks import RollbackStore
from gateway.db.tables import COUNTS, verdict_minutes
from gateway.rollout.breach import Breach, Breached, Seen
from gateway.rollout.evidence import BUCKETS
from gateway.rollout.stage import Stage

from .conftest import Plane
from .test_flips import error

ROUTE = "/api/routes/lots.list"
FLAG = f"{ROUTE}/flag"


async def test_a_promotion_without_evidence_is_409_with_the_gates_reasons(plane: Plane) -> None:
    """The refusal has sentences for people and the judgement for programs; nothing is changed."""
    await plane.ask("PUT", FLAG, json={"stage": "shadow"})
    refused = await plane.ask("PUT", FLAG, json={"stage": "canary", "canary": 100})
    assert (refused.status_code, error(refused)["code"]) == (409, "gate_refused")
    assert "2995 more clean samples are needed for 0.1 %" in error(refused)["reasons"][0]
    assert error(refused)["gate"]["answer"] == "inconclusive"
    assert plane.live.plan.flag("lots.list").stage is Stage.SHADOW


async def test_force_overrules_the_gate_and_stays_in_the_history(plane: Plane) -> None:
    """An operator with a reason may; a viewer may not, and a reason there must be."""
    await plane.ask("PUT", FLAG, json={"stage": "shadow"})
    body = {"stage": "canary", "canary": 100, "force": True}
    assert (await plane.ask("PUT", FLAG, json={**body, "reason": "x"}, role="viewer")).status_code == 403
    assert error(await plane.ask("PUT", FLAG, json=body))["code"] == "reason_missing"
    assert (await plane.ask("PUT", FLAG, json={**body, "reason": "tonight"})).status_code == 200
    newest = (await plane.ask("GET", f"{ROUTE}/history")).json()["changes"][0]
    assert (newest["forced"], newest["reason"], newest["by"]) == (True, "tonight", "operator")


async def test_after_a_rollback_the_evidence_begins_anew(plane: Plane, engine: AsyncEngine) -> None:
    """What was clean before a route went wrong on callers is no reason to send them there again."""
    counted = dict.fromkeys(COUNTS, 0) | {"matched": 3_000}
    minute = {"route": "lots.list", "revision": "", "minute": datetime(2020, 1, 1, tzinfo=UTC)}
    empty = {"control_ms": [0] * BUCKETS, "candidate_ms": [0] * BUCKETS}
    async with engine.begin() as connection:
        await connection.execute(insert(verdict_minutes).values({**minute, **counted, **empty}))
    await plane.ask("PUT", FLAG, json={"stage": "canary", "force": True, "reason": "x"})
    before = (await plane.ask("GET", f"{ROUTE}/gate?to=new")).json()["reasons"][0]["figures"]["samples"]
    breach = Breach(Breached.ERRORS, "the new side failed", Seen(answered=9, failed=9))
    await RollbackStore(engine).take_back(plane.live.plan.flag("lots.list"), breach, (), webhook=False)
    after = (await plane.ask("GET", f"{ROUTE}/gate?to=canary")).json()
    assert (before, after["reasons"][1]["figures"]["samples"], after["more_clean_samples"]) == (3_000, 0, 2_995)
    said, rate, *_ = after["reasons"]
    assert (said["code"], said["answer"], rate["code"]) == ("taken_back", "inconclusive", "mismatch_rate")
    assert "(the new side failed): what was compared before" in said["sentence"]
    told = (await plane.ask("GET", f"{ROUTE}/rollbacks", role="viewer")).json()["rollbacks"]
    assert [(each["from_version"], each["what"]) for each in told] == [(1, "errors")]


async def test_a_smaller_share_and_every_way_back_are_free(plane: Plane) -> None:
    """The gate stands in the way of more callers on new, and of nothing else."""
    await plane.ask("PUT", FLAG, json={"stage": "canary", "canary": 500, "force": True, "reason": "x"})
    assert (await plane.ask("PUT", FLAG, json={"stage": "canary", "canary": 501})).status_code == 409
    for body in ({"stage": "canary", "canary": 100}, {"stage": "canary", "sample": 5}, {"stage": "shadow"}):
        assert (await plane.ask("PUT", FLAG, json=body)).status_code == 200, body


async def test_the_gate_judges_the_flag_that_is_changed_not_the_one_remembered(plane: Plane) -> None:
    """Another process has gone back to shadow: a share that would be smaller here is a promotion there."""
    await plane.ask("PUT", FLAG, json={"stage": "canary", "canary": 500, "force": True, "reason": "x"})
    remembered = plane.live.plan
    await plane.ask("PUT", FLAG, json={"stage": "shadow"})
    plane.live.plan = plane.live.known = remembered
    refused = await plane.ask("PUT", FLAG, json={"stage": "canary", "canary": 100})
    assert error(refused)["code"] == "gate_refused"


@pytest.mark.parametrize(
    ("query", "status", "answer"),
    [
        ("", 200, "pass"),
        ("?to=shadow", 200, "pass"),
        ("?to=canary", 200, "fail"),
        ("?to=new", 200, "fail"),
        ("?to=nowhere", 422, None),
    ],
)
async def test_the_gate_can_be_asked_beforehand(plane: Plane, query: str, status: int, answer: str | None) -> None:
    """For each stage; the next one when none is named; into shadow needs nothing."""
    said = await plane.ask("GET", f"{ROUTE}/gate{query}", role="viewer")
    assert (said.status_code, said.json().get("answer")) == (status, answer)


async def test_the_gate_says_no_where_a_flip_would_skip_a_stage(plane: Plane) -> None:
    """Evidence is one thing, the order of the stages another: without force a flip is refused for either."""
    await plane.ask("PUT", FLAG, json={"stage": "shadow"})
    assert (await plane.ask("GET", f"{ROUTE}/gate?to=canary")).json()["answer"] == "inconclusive"
    said = (await plane.ask("GET", f"{ROUTE}/gate?to=new")).json()
    assert (said["answer"], said["reasons"][-1]["code"]) == ("fail", "order")
    assert said["reasons"][-1]["sentence"].startswith("shadow goes forward to canary first")


async def test_a_rollout_is_begun_shown_and_cancelled(plane: Plane) -> None:
    """One at a time, from shadow on; what is over can be neither cancelled nor resumed."""
    assert (await plane.ask("GET", f"{ROUTE}/rollout")).json() == {"rollout": None}
    assert error(await plane.ask("DELETE", f"{ROUTE}/rollout"))["code"] == "no_rollout"
    plan = {"steps": ["1%", "5%", "new"], "bake_s": 600, "reason": "as agreed"}
    on_legacy = await plane.ask("POST", f"{ROUTE}/rollout", json=plan)
    assert (on_legacy.status_code, error(on_legacy)["code"]) == (409, "bad_rollout")
    await plane.ask("PUT", FLAG, json={"stage": "shadow"})
    begun = await plane.ask("POST", f"{ROUTE}/rollout", json=plan)
    assert begun.status_code == 201
    assert begun.json()["rollout"] == {
        "id": begun.json()["rollout"]["id"],
        "route": "lots.list",
        "steps": ["1%", "5%", "new"],
        "taken": 0,
        "state": "running",
        "why": [],
        "bake_s": 600.0,
        "baked_s": None,
        "flag_version": 1,
        "by": "operator",
        "reason": "as agreed",
    }
    assert error(await plane.ask("POST", f"{ROUTE}/rollout", json=plan))["code"] == "rollout_active"
    assert (await plane.ask("DELETE", f"{ROUTE}/rollout")).json()["rollout"]["state"] == "cancelled"
    assert error(await plane.ask("POST", f"{ROUTE}/rollout/resume"))["code"] == "rollout_over"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"steps": [], "bake_s": 1},
        {"steps": ["1%"] * 51, "bake_s": 1},
        {"steps": ["1"], "bake_s": 1},
        {"steps": ["1%"], "bake_s": -1},
        {"steps": ["1%"], "bake_s": 1e12},
        {"steps": ["1%"], "bake_s": "1"},
        {"steps": "1%", "bake_s": 1},
        {"steps": ["1%"], "bake_s": 1, "force": True},
    ],
)
async def test_nonsense_is_no_rollout(plane: Plane, body: dict[str, Any]) -> None:
    """Each is 422 and leaves nothing behind."""
    await plane.ask("PUT", FLAG, json={"stage": "shadow"})
    answer = await plane.ask("POST", f"{ROUTE}/rollout", json=body)
    assert (answer.status_code, error(answer)["code"]) == (422, "invalid_body")
    assert (await plane.ask("GET", f"{ROUTE}/rollout")).json() == {"rollout": None}
