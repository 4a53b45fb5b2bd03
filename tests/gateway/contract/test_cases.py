"""A case says what is sent and what both sides must answer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from gateway.contract.cases import Case
from gateway.contract.expectation import broken
from gateway.contract.identities import Identity
from gateway.contract.load import Contracts, load
from gateway.failure import Failure
from gateway.message import Observation, Side
from tests.gateway.contract.folders import CASE, GOOD, TODAY, right, write

SECRET = "a-secret-that-is-long-enough-for-hs256-0123456789"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def case_of(folder: Path, text: str) -> Case:
    """The case that a file's text defines."""
    contracts = right(load(write(folder, {**GOOD, "lots.create/cases/minimal.yaml": text}), today=TODAY))
    return contracts.by_key["lots.create"].cases[0]


@pytest.mark.parametrize(
    ("given", "content_type", "body"),
    [
        ("json: {a: [1, 2.5, null, true, é]}", b"application/json", '{"a":[1,2.5,null,true,"é"]}'.encode()),
        ("json: null", b"application/json", b"null"),
        ("json: {no: no, day: 2026-11-21, octal: 010}", b"application/json",
         b'{"no":"no","day":"2026-11-21","octal":"010"}'),
        ("json: 9007199254740993", b"application/json", b"9007199254740993"),
        ("body: '{\"a\": '", None, b'{"a": '),
        ("json: {a: 1}, padded_to: 102401", b"application/json", b'{"a":1}' + b" " * 102_394),
        ("body: long, padded_to: 3", None, b"long"),
        ("form: {a: b c, d: 1}", b"application/x-www-form-urlencoded", b"a=b+c&d=1"),
        ("headers: {Content-Type: text/plain}, json: 1", b"text/plain", b"1"),
    ],
)  # fmt: skip
def test_a_body_is_sent_as_the_file_says(tmp_path: Path, given: str, content_type: bytes | None, body: bytes) -> None:
    """A value as compact JSON, a form encoded, a text as it stands; a header of the file goes first."""
    case = case_of(tmp_path, CASE.replace("json: {lot_code: RAW-9}", given))
    assert case.body == body
    assert dict(case.headers).get(b"content-type") == content_type


@pytest.mark.parametrize("given", ["padded_to: 9", "form: {a: 1}, padded_to: 9", "json: 1, padded_to: 20000000"])
def test_what_cannot_be_padded_is_refused(tmp_path: Path, given: str) -> None:
    """Spaces behind a form belong to its last field, there is nothing to pad without a body, and memory is bounded."""
    text = f"why: large\nrequest: {{target: /api/lots, {given}}}\nexpect: {{status: 413}}\n"
    problems = load(write(tmp_path, {**GOOD, "lots.create/cases/minimal.yaml": text}), today=TODAY)
    assert not isinstance(problems, Contracts)
    assert [("padded_to" in str(problem)) for problem in problems] == [True]


def test_the_method_is_the_routes_own_when_left_out(tmp_path: Path) -> None:
    """A case need not repeat what its folder says."""
    assert case_of(tmp_path, CASE.replace("method: POST, ", "")).method == "POST"


def test_sides_may_be_expected_to_differ(tmp_path: Path) -> None:
    """What stands under a side goes before what stands beside it."""
    expect = "expect: {status: 500, headers: {X-A: b}, body: {error: no}, new: {status: 409, body: {error: yes}}}"
    case = case_of(tmp_path, CASE.replace("expect: {status: 201}", expect))
    legacy, new = case.expect[Side.LEGACY], case.expect[Side.NEW]
    assert (legacy.status, legacy.headers, legacy.body) == (500, {"x-a": "b"}, {"error": "no"})
    assert (new.status, new.headers, new.body) == (409, {"x-a": "b"}, {"error": "yes"})


@pytest.mark.parametrize(
    ("expect", "sentences"),
    [
        ("{status: 200}", []),
        ("{status: 201}", ["new answers 200, the case expects 201"]),
        ("{status: 200, headers: {content-type: application/json}}", []),
        ("{status: 200, headers: {x-a: b}}", ["new: header/x-a is missing, the case expects b"]),
        ("{status: 200, body: {a: {b: 1}}}", []),
        ("{status: 200, body: {a: {b: 1.0}, list: [{x: 1}, 2]}}", []),
        ("{status: 200, body: {a: {b: true}}}", ["new: body/a/b is 1, the case expects true"]),
        ("{status: 200, body: {z: null}}", ["new: body/z is missing, the case expects null"]),
        ("{status: 200, body: {none: null}}", []),
        ("{status: 200, body: {list: [1]}}", ['new: body/list is [{"x": 1, "y": 2}, 2], the case expects [1]']),
    ],
)
def test_an_expectation_is_a_part_of_the_answer(tmp_path: Path, expect: str, sentences: list[str]) -> None:
    """Objects may have more keys than the case names, arrays not more elements."""
    case = case_of(tmp_path, CASE.replace("{status: 201}", expect))
    body = b'{"a": {"b": 1, "c": 2}, "list": [{"x": 1, "y": 2}, 2], "none": null}'
    answer = Observation(Side.NEW, 200, ((b"Content-Type", b"application/json"),), body, 1.0)
    assert list(broken(case.expect[Side.NEW], answer)) == sentences


def test_a_body_that_is_no_json_breaks_an_expected_body(tmp_path: Path) -> None:
    """Also when it only calls itself JSON; a failure is reported elsewhere."""
    expected = case_of(tmp_path, CASE.replace("{status: 201}", "{status: 200, body: {}}")).expect[Side.NEW]
    html = Observation(Side.NEW, 200, ((b"content-type", b"text/html"),), b"<p>", 1.0)
    assert list(broken(expected, html)) == ["new: the body is not JSON, the case expects some"]
    lying = Observation(Side.NEW, 200, ((b"content-type", b"application/json"),), b"<p>", 1.0)
    assert next(broken(expected, lying)).startswith("new: the body is not JSON: ")
    assert list(broken(expected, Observation(Side.NEW, None, (), b"", 1.0, Failure.NEW_RESET))) == []


def test_an_identity_signs_its_claims_with_times() -> None:
    """A negative lifetime makes a token that is over."""
    identity = Identity("a", claims={"sub": "x", "app_metadata": {"role": "ADMIN"}}, expires_in_s=-60)
    shown = identity.authorization(secret=SECRET, now=NOW)
    assert shown is not None
    scheme, _, token = shown.decode().partition(" ")
    claims = jwt.decode(token, OctKey.import_key(SECRET)).claims
    assert scheme == "Bearer"
    assert claims["sub"] == "x"
    assert claims["exp"] == claims["iat"] - 60 == NOW.timestamp() - 60


def test_an_identity_may_show_a_fixed_value_or_nothing() -> None:
    """For tokens that are wrong on purpose, and for nobody."""
    assert Identity("a", bearer="nonsense").authorization(secret=SECRET, now=NOW) == b"Bearer nonsense"
    assert Identity("a").authorization(secret=SECRET, now=NOW) is None
