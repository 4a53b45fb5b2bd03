"""The Express routes: what they answer and the quirks a comparison meets."""

import re
import uuid
from typing import Any

import httpx
import pytest

from .stack import ACTIVE_RUN_ID, BLOCKING_GATE_ID, MIX_LOT_ID, OPERATOR_ID

LOT_KEYS = [
    "id", "lot_code", "lot_type", "production_run_id", "phase_id", "operator_id",
    "weight_kg", "temperature_c", "metadata", "created_at",
]  # fmt: skip


def code() -> str:
    return f"T-{uuid.uuid4()}"


def error_of(response: httpx.Response) -> str:
    """The error's text; the body must hold nothing else."""
    body = response.json()
    assert list(body) == ["error"]
    return str(body["error"])


async def test_health_says_ok_and_the_time(client: httpx.AsyncClient) -> None:
    """Health answers status and an ISO timestamp with three decimals."""
    response = await client.get("/api/health")
    body = response.json()
    assert response.status_code == 200
    assert list(body) == ["status", "timestamp"]
    assert body["status"] == "ok"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])


async def test_seeded_lot_prints_as_the_facts_say(client: httpx.AsyncClient) -> None:
    """Numerics are strings as stored, times lose their microseconds, nulls and {} are present, keys in order."""
    lots = {lot["lot_code"]: lot for lot in (await client.get("/api/lots")).json()}
    mix = lots["MIX-BATCH-88"]
    assert list(mix) == LOT_KEYS
    assert (mix["weight_kg"], mix["temperature_c"]) == ("540.0", "3.0")
    assert mix["metadata"] == {}
    assert lots["FG-DONER-X1"]["created_at"] == "2026-11-20T23:24:22.146Z"
    assert lots["RAW-SPICE-001"]["temperature_c"] is None


async def test_seeded_lots_come_newest_first(client: httpx.AsyncClient) -> None:
    """The list is ordered by creation, newest first."""
    codes = [lot["lot_code"] for lot in (await client.get("/api/lots")).json()]
    seeded = [c for c in codes if not c.startswith("T-")]
    assert seeded == ["FG-DONER-X1", "MIX-BATCH-88", "RAW-SPICE-001", "RAW-BEEF-001", "FRZ-STORE-007"]


async def test_integer_above_two_to_the_53_is_rounded(client: httpx.AsyncClient) -> None:
    """JSON.parse in Node rounds the scale ticket that PostgreSQL holds exactly: ...993 becomes ...992."""
    text = (await client.get("/api/traceability/FRZ-STORE-007")).text
    assert '"metadata":{"store":"cold-3","scale_ticket":9007199254740992}' in text


async def test_created_lot_comes_back_whole(client: httpx.AsyncClient) -> None:
    """A new lot answers 201 with every column, nulls included and metadata {}."""
    lot_code = code()
    response = await client.post("/api/lots", json={"lot_code": lot_code})
    lot = response.json()
    assert response.status_code == 201
    assert list(lot) == LOT_KEYS
    assert uuid.UUID(lot["id"]).version == 4
    assert (lot["lot_code"], lot["lot_type"], lot["weight_kg"], lot["metadata"]) == (lot_code, None, None, {})


@pytest.mark.parametrize(
    ("given", "printed"), [("540.0", "540"), ('"540.0"', "540.0"), ("12.50", "12.5"), ("1e3", "1000")]
)
async def test_weight_passes_through_javascript_numbers(client: httpx.AsyncClient, given: str, printed: str) -> None:
    """A JSON number loses its trailing zeros in Node, a string keeps them; both come back as strings."""
    body = f'{{"lot_code": "{code()}", "weight_kg": {given}}}'
    response = await client.post("/api/lots", content=body, headers={"content-type": "application/json"})
    assert response.json()["weight_kg"] == printed


async def test_any_column_may_be_given(client: httpx.AsyncClient) -> None:
    """Even id and created_at are taken from the body."""
    given = {"id": str(uuid.uuid4()), "lot_code": code(), "created_at": "2020-01-02T03:04:05.678901Z"}
    lot = (await client.post("/api/lots", json=given)).json()
    assert (lot["id"], lot["created_at"]) == (given["id"], "2020-01-02T03:04:05.678Z")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"lot_code": "MIX-BATCH-88"},
            'duplicate key value violates unique constraint "lots_lot_code_key"',
        ),
        ({"lot_code": "U", "nope": 1}, 'column "nope" of relation "lots" does not exist'),
        ({"lot_code": "U", 'a") --': 1}, 'column "a") --" of relation "lots" does not exist'),
        (
            {"lot_code": "U", "lot_type": "BEEF"},
            'new row for relation "lots" violates check constraint "lots_lot_type_check"',
        ),
        ({"lot_code": "U", "operator_id": "me"}, 'invalid input syntax for type uuid: "me"'),
        (
            {"lot_code": "U", "operator_id": MIX_LOT_ID},
            'insert or update on table "lots" violates foreign key constraint "lots_operator_id_fkey"',
        ),
        ({"lot_code": "U\x00"}, 'invalid byte sequence for encoding "UTF8": 0x00'),
        ({"lot_code": "U", "weight_kg": "heavy"}, 'invalid input syntax for type numeric: "heavy"'),
        ({"lot_code": "U", "metadata": [1]}, "invalid input syntax for type json"),
        (
            {"lot_type": "RAW"},
            'null value in column "lot_code" of relation "lots" violates not-null constraint',
        ),
        ({}, 'syntax error at or near ")"'),
    ],
)
async def test_database_message_reaches_the_client(
    client: httpx.AsyncClient, body: dict[str, Any], message: str
) -> None:
    """Whatever PostgreSQL refuses is a 500 with its own words."""
    response = await client.post("/api/lots", json=body)
    assert response.status_code == 500
    assert error_of(response) == message


async def test_traceability_shows_one_level_up_and_down(client: httpx.AsyncClient) -> None:
    """The mix has two raw lots above it and the finished lot below it."""
    response = await client.get("/api/traceability/MIX-BATCH-88")
    body = response.json()
    assert response.status_code == 200
    assert list(body) == ["central", "parents", "children"]
    assert list(body["central"]) == LOT_KEYS
    assert [lot["lot_code"] for lot in body["parents"]] == ["RAW-BEEF-001", "RAW-SPICE-001"]
    assert [lot["lot_code"] for lot in body["children"]] == ["FG-DONER-X1"]


async def test_traceability_goes_no_further_than_one_level(client: httpx.AsyncClient) -> None:
    """The raw lots are not among the finished lot's parents."""
    body = (await client.get("/api/traceability/FG-DONER-X1")).json()
    assert [lot["lot_code"] for lot in body["parents"]] == ["MIX-BATCH-88"]
    assert body["children"] == []


async def test_traceability_of_an_unknown_lot_is_404(client: httpx.AsyncClient) -> None:
    """An unknown code answers the JSON 404, not the HTML one."""
    response = await client.get("/api/traceability/NOPE")
    assert (response.status_code, error_of(response)) == (404, "Lot not found")


async def test_lot_code_in_the_path_is_decoded(client: httpx.AsyncClient) -> None:
    """Express decodes %2F inside a path parameter after it has matched the route."""
    lot_code = f"{code()}/A b"
    await client.post("/api/lots", json={"lot_code": lot_code})
    response = await client.get(f"/api/traceability/{lot_code.replace('/', '%2F').replace(' ', '%20')}")
    assert response.json()["central"]["lot_code"] == lot_code


async def test_decision_is_stored_without_any_rule(client: httpx.AsyncClient) -> None:
    """A FAIL without notes is taken: the rules belong to the new side."""
    given = {
        "lot_id": MIX_LOT_ID, "qc_gate_id": BLOCKING_GATE_ID, "operator_id": OPERATOR_ID, "decision": "FAIL",
    }  # fmt: skip
    response = await client.post("/api/qc-decisions", json=given)
    body = response.json()
    assert response.status_code == 201
    assert list(body) == [
        "id", "lot_id", "qc_gate_id", "operator_id", "decision",
        "notes", "temperature_c", "digital_signature", "decided_at",
    ]  # fmt: skip
    assert body["notes"] is None


async def test_unknown_decision_is_500(client: httpx.AsyncClient) -> None:
    """A decision outside PASS, HOLD and FAIL meets the check constraint."""
    response = await client.post("/api/qc-decisions", json={"decision": "MAYBE"})
    assert response.status_code == 500
    assert "qc_decisions_decision_check" in error_of(response)


async def test_runs_come_newest_first(client: httpx.AsyncClient) -> None:
    """Both seeded runs are listed, today's first."""
    codes = [run["run_code"] for run in (await client.get("/api/runs")).json()]
    assert codes[-2:] == ["PRD-20261120-001", "PRD-20261119-001"]


async def test_run_is_read_by_id(client: httpx.AsyncClient) -> None:
    """One run answers as the row, numerics as strings."""
    run = (await client.get(f"/api/runs/{ACTIVE_RUN_ID}")).json()
    assert list(run) == [
        "id", "run_code", "scenario_id", "operator_id", "status",
        "daily_target_kg", "started_at", "ended_at", "summary",
    ]  # fmt: skip
    assert (run["status"], run["daily_target_kg"], run["ended_at"]) == ("ACTIVE", "1200.0", None)


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_unknown_run_is_404(client: httpx.AsyncClient, method: str) -> None:
    """A well-formed id that no run has is a JSON 404."""
    response = await client.request(method, f"/api/runs/{uuid.uuid4()}", json={})
    assert (response.status_code, error_of(response)) == (404, "Run not found")


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_malformed_run_id_is_500(client: httpx.AsyncClient, method: str) -> None:
    """Nobody checks the id before PostgreSQL does."""
    response = await client.request(method, "/api/runs/7", json={})
    assert (response.status_code, error_of(response)) == (500, 'invalid input syntax for type uuid: "7"')


async def test_new_run_is_active(client: httpx.AsyncClient) -> None:
    """A run starts ACTIVE without saying so."""
    run_code = f"PRD-{uuid.uuid4()}"
    response = await client.post("/api/runs", json={"run_code": run_code, "operator_id": OPERATOR_ID})
    assert response.status_code == 201
    assert (response.json()["run_code"], response.json()["status"]) == (run_code, "ACTIVE")


async def test_patch_sets_what_is_given_and_keeps_the_rest(client: httpx.AsyncClient) -> None:
    """Only status, ended_at and summary can change; a null or an unknown field changes nothing."""
    run = (await client.post("/api/runs", json={"run_code": f"PRD-{uuid.uuid4()}"})).json()
    ended = {"status": "COMPLETED", "ended_at": "2026-11-20T20:00:00.5Z", "summary": {"lots": 1}}
    path = f"/api/runs/{run['id']}"
    first = await client.patch(path, json=ended)
    assert (first.status_code, first.json()) == (200, {**run, **ended, "ended_at": "2026-11-20T20:00:00.500Z"})
    second = await client.patch(path, json={"status": None, "run_code": "X", "summary": {"lots": 2}})
    assert second.json() == {**first.json(), "summary": {"lots": 2}}


async def test_bad_status_of_a_run_is_500(client: httpx.AsyncClient) -> None:
    """A status outside the three meets the check constraint."""
    response = await client.patch(f"/api/runs/{ACTIVE_RUN_ID}", json={"status": "PAUSED"})
    assert response.status_code == 500
    assert "production_runs_status_check" in error_of(response)
