"""Where the new side is meant to differ from legacy: it says no with the right status and its own words."""

import json
import logging

import psycopg
import pytest
from sqlalchemy import UUID, cast, literal, select
from starlette.requests import Request
from starlette.responses import Response

from services.app import build
from services.kit.auth import ANONYMOUS
from services.kit.unit import writing
from tests.legacy.stack import ACTIVE_RUN_ID, OPERATOR_ID

from .asgi import Answer, Caller, running
from .rehearsals import with_handler

NOBODY = "00000000-0000-4000-8000-000000000000"
NOTES = "notes must have at least 10 characters for HOLD and FAIL"
TYPES = "lot_type must be one of BULK, DEB, FG, FRZ, MIX, RAW, SKW"


def refusal(answer: Answer) -> tuple[int, str]:
    assert list(answer.json()) == ["error"]
    assert answer.header("content-type") == "application/json; charset=utf-8"
    return answer.status, answer.json()["error"]


async def test_duplicate_codes_are_409(client: Caller) -> None:
    """The codes that exist are named in a sentence, not in the database's words."""
    answer = await client.send("POST", "/api/lots", body={"lot_code": "RAW-BEEF-001"})
    assert refusal(answer) == (409, "A lot with this code already exists")
    answer = await client.send("POST", "/api/runs", body={"run_code": "PRD-20261120-001"})
    assert refusal(answer) == (409, "A run with this code already exists")
    answer = await client.send("POST", "/api/runs", body={"run_code": "NEW", "id": ACTIVE_RUN_ID})
    assert refusal(answer) == (409, "A run with this id already exists")


@pytest.mark.parametrize(
    ("target", "body", "sentence"),
    [
        ("/api/lots", {}, "lot_code is required"),
        ("/api/lots", [], "The body must be a JSON object"),
        ("/api/lots", {"lot_code": "X", "colour": "red"}, "colour is not a known field"),
        ("/api/lots", {"lot_code": ""}, "lot_code must have 1 to 100 characters"),
        ("/api/lots", {"lot_code": "X", "lot_type": "MEAT"}, TYPES),
        ("/api/lots", {"lot_code": "X", "weight_kg": 10_000.01}, "weight_kg must be between 0 and 10000"),
        ("/api/lots", {"lot_code": "X", "weight_kg": True}, "weight_kg must be a number"),
        ("/api/lots", {"lot_code": "X", "temperature_c": 2.55}, "temperature_c must have at most 1 decimal"),
        ("/api/lots", {"lot_code": "X", "operator_id": "otto"}, "operator_id must be a uuid"),
        ("/api/lots", {"lot_code": "X", "operator_id": NOBODY}, "operator_id names no existing user"),
        ("/api/lots", {"lot_code": "X", "phase_id": NOBODY}, "phase_id names no existing phase"),
        ("/api/lots", {"lot_code": "X", "production_run_id": NOBODY}, "production_run_id names no existing run"),
        ("/api/lots", {"lot_code": "X", "id": None}, "id must be a uuid"),
        ("/api/lots", {"lot_code": "X", "metadata": "{}"}, "metadata must be an object"),
        ("/api/lots", {"lot_code": "X", "metadata": {"a": "\0"}}, "metadata must not contain a NUL character"),
        ("/api/lots", {"lot_code": "X", "created_at": "now"}, "created_at must be an ISO 8601 time"),
        ("/api/qc-decisions", {}, "decision is required"),
        ("/api/qc-decisions", {"decision": "MAYBE"}, "decision must be one of FAIL, HOLD, PASS"),
        ("/api/qc-decisions", {"decision": "HOLD"}, NOTES),
        ("/api/qc-decisions", {"decision": "FAIL", "notes": "too short"}, NOTES),
        ("/api/qc-decisions", {"decision": "PASS", "lot_id": NOBODY}, "lot_id names no existing lot"),
        ("/api/qc-decisions", {"decision": "PASS", "qc_gate_id": NOBODY}, "qc_gate_id names no existing QC gate"),
        ("/api/qc-decisions", {"decision": "PASS", "notes": 7}, "notes must be a text"),
        ("/api/runs", {}, "run_code is required"),
        ("/api/runs", {"run_code": "R", "status": "PAUSED"}, "status must be one of ACTIVE, CANCELLED, COMPLETED"),
        ("/api/runs", {"run_code": "R", "scenario_id": NOBODY}, "scenario_id names no existing scenario"),
        ("/api/runs", {"run_code": "R", "daily_target_kg": "a lot"}, "daily_target_kg must be a number"),
    ],
)  # fmt: skip
async def test_bad_input_is_422_and_names_the_field(client: Caller, target: str, body: object, sentence: str) -> None:
    """One sentence for the first thing that is wrong; the row is not there."""
    assert refusal(await client.send("POST", target, body=body)) == (422, sentence)


async def test_bad_change_of_a_run_is_422(client: Caller) -> None:
    """Only three columns can change, and only to what they can be."""
    for body, sentence in (
        ({"status": "DONE"}, "status must be one of ACTIVE, CANCELLED, COMPLETED"),
        ({"ended_at": "soon"}, "ended_at must be an ISO 8601 time"),
        ({"summary": []}, "summary must be an object"),
        ({"run_code": "OTHER"}, "run_code is not a known field"),
    ):
        assert refusal(await client.send("PATCH", f"/api/runs/{ACTIVE_RUN_ID}", body=body)) == (422, sentence)


async def test_run_id_that_is_no_uuid_is_an_unknown_run(client: Caller) -> None:
    """404, which the frontend handles already, where legacy shows the database's complaint."""
    for method, body in (("GET", None), ("PATCH", {"status": "COMPLETED"})):
        for run_id in ("7", "not-a-uuid", "%00"):
            assert refusal(await client.send(method, f"/api/runs/{run_id}", body=body)) == (404, "Run not found")


async def test_lot_code_with_nul_is_an_unknown_lot(client: Caller) -> None:
    """PostgreSQL stores no such code."""
    assert refusal(await client.send("GET", "/api/traceability/A%00B")) == (404, "Lot not found")


@pytest.mark.parametrize("code", ["%zz", "%", "%FF", "%ED%A0%80"])
async def test_path_that_cannot_be_decoded_is_400(client: Caller, code: str) -> None:
    """The same paths on which decodeURIComponent gives up in legacy."""
    assert (await client.send("GET", f"/api/traceability/{code}")).status == 400


@pytest.mark.parametrize("raw", [b'{"lot_code": ', b'"text"', b"7", b"\xff", b"{}{}"])
async def test_malformed_json_is_400(client: Caller, raw: bytes) -> None:
    """Legacy's 400 is an HTML page with a stack; this one is a sentence."""
    assert refusal(await client.send("POST", "/api/lots", body=raw)) == (400, "The body is not valid JSON")


async def test_body_of_100_kib_is_taken_and_one_byte_more_is_413(client: Caller) -> None:
    """The same limit as express.json(), with and without a declared length."""
    frame = len(json.dumps({"lot_code": "BIG-1", "metadata": {"n": ""}}))
    fits = json.dumps({"lot_code": "BIG-1", "metadata": {"n": "x" * (102_400 - frame)}}).encode()
    assert (await client.send("POST", "/api/lots", body=fits)).status == 201
    for headers in ({}, {"content-length": "x"}):
        answer = await client.send("POST", "/api/lots", body=fits + b" ", headers=headers)
        assert refusal(answer) == (413, "The body is larger than 100 kB")


async def test_body_of_another_type_has_no_fields(client: Caller) -> None:
    """As for express.json(): what is not JSON is not looked at."""
    answer = await client.send("POST", "/api/lots", body=b"lot_code=1", headers={"content-type": "text/plain"})
    assert refusal(answer) == (422, "lot_code is required")


@pytest.mark.parametrize(
    "headers", [{"content-encoding": "gzip"}, {"content-type": "application/json; charset=utf-16"}]
)
async def test_body_in_another_coding_is_415(client: Caller, headers: dict[str, str]) -> None:
    """Nothing is unpacked here."""
    answer = await client.send("POST", "/api/lots", body={}, headers=headers)
    assert refusal(answer) == (415, "The body must be UTF-8 without a content encoding")


@pytest.mark.parametrize(("method", "target"), [("GET", "/api/nope"), ("DELETE", "/api/lots"), ("HEAD", "/api/login")])
async def test_unknown_path_or_method_is_404(client: Caller, method: str, target: str) -> None:
    """Express knows no 405 either."""
    answer = await client.send(method, target)
    assert answer.status == 404
    assert method == "HEAD" or answer.json() == {"error": "Not found"}


async def test_big_integers_stay_exact(client: Caller) -> None:
    """The seed's scale ticket is above 2^53, where legacy rounds; a new one goes in and out unchanged."""
    answer = await client.send("GET", "/api/traceability/FRZ-STORE-007")
    assert b'"scale_ticket":9007199254740993' in answer.body
    raw = b'{"lot_code": "TICKET-2", "metadata": {"scale_ticket": 123456789012345678901234567890}}'
    answer = await client.send("POST", "/api/lots", body=raw)
    assert b'"metadata":{"scale_ticket":123456789012345678901234567890}' in answer.body


async def test_unexpected_error_tells_the_client_nothing(
    client: Caller, database: psycopg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """A table that is gone is a 500 without the database's words, which go to the log."""
    database.execute("ALTER TABLE qc_decisions RENAME TO hidden")
    try:
        with caplog.at_level(logging.ERROR):
            answer = await client.send("POST", "/api/qc-decisions", body={"decision": "PASS", "notes": "secret notes"})
    finally:
        database.execute("ALTER TABLE hidden RENAME TO qc_decisions")
    assert refusal(answer) == (500, "Internal server error")
    assert "qc_decisions" in caplog.text
    assert "secret notes" not in caplog.text


async def test_a_value_that_postgresql_refuses_is_not_logged(
    environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The database's words repeat it; its code says what it was."""

    async def handler(request: Request) -> Response:
        async with writing(request, ANONYMOUS) as session:
            await session.rows(select(cast(literal("s3cret"), UUID)))
        return Response()

    async with running(with_handler(handler)) as client:
        answer = await client.send("POST", "/api/tried", body={}, commit=True)
    assert answer.status == 422
    assert "22P02" in caplog.text
    assert "s3cret" not in caplog.text


async def test_unreachable_database_is_503(environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The app starts without its database and says that it cannot be reached."""
    environment.setenv("SERVICES_DATABASE_URL", "postgresql://postgres@/db?host=/nowhere")
    async with running(build()) as client:
        for method, target, body in (("GET", "/api/lots", None), ("POST", "/api/lots", {"lot_code": "X"})):
            answer = await client.send(method, target, body=body)
            assert refusal(answer) == (503, "The database cannot be reached")
        assert (await client.send("GET", "/api/health")).status == 200


async def test_database_that_comes_back_is_used_again(client: Caller, database: psycopg.Connection) -> None:
    """A connection that was ended costs one 503 at most."""
    assert (await client.send("GET", "/api/lots")).status == 200
    database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'strangler-services'"
    )
    statuses = [(await client.send("GET", "/api/lots")).status for _ in range(2)]
    assert statuses in ([503, 200], [200, 200])


async def test_lot_of_a_known_operator_is_taken(client: Caller) -> None:
    """A good reference is taken as it is."""
    answer = await client.send("POST", "/api/lots", body={"lot_code": "OWNED-1", "operator_id": OPERATOR_ID})
    assert (answer.status, answer.json()["operator_id"]) == (201, OPERATOR_ID)
