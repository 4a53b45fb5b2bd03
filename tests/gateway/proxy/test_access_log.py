"""A line of the access log is one JSON object in printable ASCII without a secret, whatever a client sends."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.access_log import Line, written
from tests.gateway.proxy.harness import OK, always, ask, gateway, get, route, until, upstream

LINE = Line(
    at=1_800_000_000.0625,
    request_id="r-1",
    client_ip="203.0.113.7",
    method="GET",
    target=b"/api/lots?limit=5",
    route="lots.list",
    stage="canary",
    side="new",
    reason="canary_in",
    status=200,
    sent=1_234,
    first_byte_ms=4.2,
    total_ms=5.6789,
    user_agent=b"curl/8",
)


def read(line: Line) -> dict[str, Any]:
    """The object of a line; there is exactly one, and a terminal may show it."""
    text = written(line).decode("ascii")
    assert text.endswith("}\n")
    assert text[:-1].isprintable()
    assert len(text) <= 4_096
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def test_a_line_tells_how_a_request_went() -> None:
    """Every field, by its name."""
    assert read(LINE) == {
        "at": "2027-01-15T08:00:00.062Z",
        "request_id": "r-1",
        "client_ip": "203.0.113.7",
        "method": "GET",
        "path": "/api/lots?limit=5",
        "route": "lots.list",
        "stage": "canary",
        "side": "new",
        "reason": "canary_in",
        "status": 200,
        "bytes": 1_234,
        "first_byte_ms": 4.2,
        "total_ms": 5.679,
        "shadowed": False,
        "failure": "",
        "user_agent": "curl/8",
        "trace_id": "",
    }


@pytest.mark.parametrize(
    "hostile",
    [
        b'"}\n{"at": "forged"}',
        b"\x9b2J\x1b[2J",
        b"\x7f\x00\r\n",
        "\u2028\u202e".encode(),
        b"\xff" * 70_000,
        b"\\" * 9_000,
    ],
)
def test_what_a_client_sends_cannot_break_out_of_its_line(hostile: bytes) -> None:
    """Quotes, line ends, C0 and C1 controls and DEL are escaped; length is cut."""
    found = read(replace(LINE, target=b"/" + hostile, user_agent=hostile, request_id=hostile.decode("latin-1")))
    assert found["status"] == 200


@given(st.binary(max_size=6_000), st.binary(max_size=2_000), st.text(max_size=400))
def test_any_bytes_make_one_object(target: bytes, agent: bytes, text: str) -> None:
    """Also where every field is as long as it may be."""
    read(replace(LINE, target=target, user_agent=agent, request_id=text, method=text, client_ip=text, trace_id=text))


@pytest.mark.parametrize(
    "target",
    [
        b"/login?password=s3cret&x=1",
        b"/cb?code=s3cret",
        b"/x?p%61ssword=s3cret",
        b"/reset/eyJhbGciOiJIUzI1NiJ9.s3cret.s3cret",
        b"/x?next=%2Fy%3Ftoken%3Ds3cret",
        b"//user:s3cret@host/",
    ],
)
def test_a_secret_in_the_target_is_not_shown(target: bytes) -> None:
    """By the rules that findings are kept by."""
    assert "s3cret" not in json.dumps(read(replace(LINE, target=target)))


def test_a_credential_in_the_user_agent_is_not_shown() -> None:
    """Somebody's script puts its token there."""
    assert "s3cret" not in read(replace(LINE, user_agent=b"bot Bearer s3cret-s3cret"))["user_agent"]


def test_who_sends_no_user_agent_has_none() -> None:
    """null is not an empty text."""
    assert read(replace(LINE, user_agent=None))["user_agent"] is None
    assert read(replace(LINE, user_agent=b""))["user_agent"] == ""


async def test_the_parameter_of_a_path_that_is_named_like_a_secret_is_in_no_line() -> None:
    """The line knows the template of the route that the request took, on either front."""
    lines: list[Line] = []
    reset = route("reset", "GET /reset/{token}")
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[reset]) as served:
        served.gateway.ledger._share, served.gateway.ledger._write = 1.0, lines.append
        assert (await ask(served.port, get("/reset/hunter2?page=1"))).status == 200
        await until(lambda: bool(lines))
    assert read(lines[0])["path"] == "/reset/(hidden)?page=1"


async def test_what_a_route_wants_hidden_is_in_no_line() -> None:
    """The names that its `redact` lists, as parameters of a query and of the path."""
    lines: list[Line] = []
    accounts = replace(route("accounts", "GET /accounts/{holder}"), redact=frozenset({"iban", "holder"}))
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[accounts]) as served:
        served.gateway.ledger._share, served.gateway.ledger._write = 1.0, lines.append
        assert (await ask(served.port, get("/accounts/alice?IBAN=HU42&page=1"))).status == 200
        await until(lambda: bool(lines))
    assert read(lines[0])["path"] == "/accounts/(hidden)?IBAN=(hidden)&page=1"
