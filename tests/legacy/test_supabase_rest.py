"""PostgREST on lots, the one table the browser asks directly."""

import json
import time
import uuid
from typing import Any

import httpx
import pytest

from .stack import OPERATOR_ID, anon_key, person_claims, signed

ANON = {"apikey": anon_key()}
PERSON = {**ANON, "authorization": f"Bearer {signed(person_claims())}"}
SINGLE = {"accept": "application/vnd.pgrst.object+json"}
REPRESENTATION = {"prefer": "return=representation"}


def code() -> str:
    return f"R-{uuid.uuid4()}"


async def test_numbers_are_numbers_and_times_keep_microseconds(client: httpx.AsyncClient) -> None:
    """PostgreSQL writes the JSON itself: byte for byte, 2^53 + 1 included."""
    response = await client.get(
        "/rest/v1/lots?select=lot_code,weight_kg,metadata,created_at&lot_code=eq.FRZ-STORE-007", headers=ANON
    )
    assert response.status_code == 200
    assert response.text == (
        '[{"lot_code":"FRZ-STORE-007","weight_kg":120.5,'
        '"metadata":{"store": "cold-3", "scale_ticket": 9007199254740993},'
        '"created_at":"2026-11-18T06:30:15.313233+00:00"}]'
    )
    assert response.headers["content-range"] == "0-0/*"
    assert response.headers["content-type"] == "application/json; charset=utf-8"


async def test_everything_is_selected_by_default(client: httpx.AsyncClient) -> None:
    """Without select, and with *, every column comes in table order."""
    plain = await client.get("/rest/v1/lots?lot_code=eq.MIX-BATCH-88", headers=ANON)
    star = await client.get("/rest/v1/lots?lot_code=eq.MIX-BATCH-88&select=*", headers=ANON)
    assert plain.text == star.text
    assert '"weight_kg":540.0,' in plain.text
    assert len(plain.json()[0]) == 10


async def test_order_and_limit(client: httpx.AsyncClient) -> None:
    """Rows are ordered and cut as asked."""
    params = {"select": "lot_code", "order": "created_at.asc.nullslast", "limit": "2", "lot_type": "neq.BULK"}
    response = await client.get("/rest/v1/lots", params=params, headers=ANON)
    assert [lot["lot_code"] for lot in response.json()] == ["FRZ-STORE-007", "RAW-BEEF-001"]
    params["offset"] = "1"
    response = await client.get("/rest/v1/lots", params=params, headers=ANON)
    assert [lot["lot_code"] for lot in response.json()] == ["RAW-BEEF-001", "RAW-SPICE-001"]


async def test_nothing_found_is_an_empty_list(client: httpx.AsyncClient) -> None:
    """No row is 200 with [] and an open range."""
    response = await client.get("/rest/v1/lots?lot_code=eq.NOPE", headers=ANON)
    assert (response.status_code, response.text, response.headers["content-range"]) == (200, "[]", "*/*")


async def test_single_object(client: httpx.AsyncClient) -> None:
    """The vendor type asks for the object itself."""
    response = await client.get("/rest/v1/lots?select=lot_code&lot_code=eq.FG-DONER-X1", headers={**ANON, **SINGLE})
    assert response.text == '{"lot_code":"FG-DONER-X1"}'
    assert response.headers["content-type"] == "application/vnd.pgrst.object+json; charset=utf-8"


@pytest.mark.parametrize(("query", "count"), [("lot_code=eq.NOPE", 0), ("lot_type=eq.RAW", 2)])
async def test_single_object_of_none_or_many_is_406(client: httpx.AsyncClient, query: str, count: int) -> None:
    """.single() accepts exactly one row."""
    response = await client.get(f"/rest/v1/lots?{query}", headers={**ANON, **SINGLE})
    assert response.status_code == 406
    assert response.json() == {
        "code": "PGRST116",
        "details": f"The result contains {count} rows",
        "hint": None,
        "message": "Cannot coerce the result to a single JSON object",
    }


@pytest.mark.parametrize(
    ("query", "status", "code_"),
    [
        ("nope=eq.1", 400, "42703"),
        ("select=nope", 400, "42703"),
        ("id=eq.7", 400, "22P02"),
        ("lot_code=7", 400, "PGRST100"),
        ("order=lot_code.sideways", 400, "PGRST100"),
        ("limit=1;drop", 400, "PGRST100"),
    ],
)
async def test_bad_query_is_said_in_postgrest_words(
    client: httpx.AsyncClient, query: str, status: int, code_: str
) -> None:
    """Errors are code, details, hint and message, whoever found them."""
    response = await client.get(f"/rest/v1/lots?{query}", headers=ANON)
    body = response.json()
    assert list(body) == ["code", "details", "hint", "message"]
    assert (response.status_code, body["code"]) == (status, code_)


async def test_other_tables_are_not_served(client: httpx.AsyncClient) -> None:
    """The browser uses lots only."""
    response = await client.get("/rest/v1/users", headers=ANON)
    assert (response.status_code, response.json()["code"]) == (404, "PGRST205")


async def test_other_methods_are_405(client: httpx.AsyncClient) -> None:
    """The browser never deletes a lot."""
    response = await client.delete("/rest/v1/lots?lot_code=eq.X", headers=PERSON)
    assert (response.status_code, response.json()["code"]) == (405, "PGRST117")


async def test_insert_returns_the_row_when_asked(client: httpx.AsyncClient) -> None:
    """return=representation with the vendor type gives the one new object, numbers exact."""
    body = (
        f'{{"lot_code": "{code()}", "weight_kg": 540.0, "metadata": {{"ticket": 9007199254740993}},'
        f' "operator_id": "{OPERATOR_ID}"}}'
    )
    headers = {**PERSON, **SINGLE, **REPRESENTATION, "content-type": "application/json"}
    response = await client.post("/rest/v1/lots?select=weight_kg,metadata", content=body, headers=headers)
    assert response.status_code == 201
    assert response.text == '{"weight_kg":540.0,"metadata":{"ticket": 9007199254740993}}'
    assert response.headers["preference-applied"] == "return=representation"


async def test_insert_is_silent_by_default(client: httpx.AsyncClient) -> None:
    """Without the preference a 201 has no body."""
    response = await client.post("/rest/v1/lots", json={"lot_code": code()}, headers=PERSON)
    assert (response.status_code, response.content) == (201, b"")


async def test_several_rows_are_one_insert(client: httpx.AsyncClient) -> None:
    """A list inserts all rows or none."""
    first, second = code(), code()
    rows = [{"lot_code": first}, {"lot_code": second, "lot_type": "NOPE"}]
    bad = await client.post("/rest/v1/lots", json=rows, headers=PERSON)
    assert (bad.status_code, bad.json()["code"]) == (400, "23514")
    rows[1]["lot_type"] = "RAW"
    good = await client.post("/rest/v1/lots", json=rows, headers={**PERSON, **REPRESENTATION})
    assert [lot["lot_type"] for lot in good.json()] == [None, "RAW"]


async def test_two_rows_asked_for_as_one_leave_nothing(client: httpx.AsyncClient) -> None:
    """The refusal comes inside the transaction."""
    first = code()
    response = await client.post(
        "/rest/v1/lots",
        json=[{"lot_code": first}, {"lot_code": code()}],
        headers={**PERSON, **SINGLE, **REPRESENTATION},
    )
    assert response.status_code == 406
    assert (await client.get(f"/rest/v1/lots?lot_code=eq.{first}", headers=ANON)).json() == []


async def test_duplicate_is_409(client: httpx.AsyncClient) -> None:
    """A unique violation; PostgreSQL hides the key where row level security is on, so details is null."""
    response = await client.post("/rest/v1/lots", json={"lot_code": "MIX-BATCH-88"}, headers=PERSON)
    assert response.status_code == 409
    assert response.json() == {
        "code": "23505",
        "details": None,
        "hint": None,
        "message": 'duplicate key value violates unique constraint "lots_lot_code_key"',
    }


@pytest.mark.parametrize(
    ("body", "status", "code_"),
    [
        ({"lot_code": "X", "nope": 1}, 400, "PGRST204"),
        ({"lot_code": "X", "operator_id": str(uuid.UUID(int=7))}, 409, "23503"),
        ({"lot_code": "X", "weight_kg": "heavy"}, 400, "22P02"),
        ({"lot_type": "RAW"}, 400, "23502"),
        ("text", 400, "PGRST102"),
    ],
)
async def test_bad_insert_is_said_in_postgrest_words(
    client: httpx.AsyncClient, body: Any, status: int, code_: str
) -> None:
    """Each refusal of the database has PostgREST's status."""
    response = await client.post("/rest/v1/lots", content=json.dumps(body), headers=PERSON)
    assert (response.status_code, response.json()["code"]) == (status, code_)


async def test_anonymous_insert_meets_row_level_security(client: httpx.AsyncClient) -> None:
    """Registering a lot needs somebody who has signed in."""
    response = await client.post("/rest/v1/lots", json={"lot_code": code()}, headers=ANON)
    assert (response.status_code, response.json()["code"]) == (401, "42501")


@pytest.mark.parametrize(
    ("token", "code_"),
    [
        ("garbage", "PGRST301"),
        (signed(person_claims(role="postgres")), "PGRST301"),
        (signed(person_claims(exp=int(time.time()) - 1)), "PGRST303"),
    ],
)
async def test_bad_token_is_401(client: httpx.AsyncClient, token: str, code_: str) -> None:
    """A token names one of the project's three roles, or nothing."""
    headers = {**ANON, "authorization": f"Bearer {token}"}
    response = await client.get("/rest/v1/lots", headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, code_)
