"""Secrets that stand beside their names, as keys, and in paths: none stays in a finding, wherever it turns up."""

from __future__ import annotations

import gzip
import json
from datetime import date
from typing import Any

import pytest

from gateway.diff.compare import compare
from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome
from gateway.message import Observation, OutboundRequest, Side
from gateway.routing.template import Template
from gateway.shadow.finding import Finding
from gateway.shadow.record import Exchange, Recorder
from gateway.shadow.redact import Keyed, redact_target
from gateway.shadow.rows import Written
from gateway.shadow.writeset import compare_write
from tests.gateway.shadow.test_record import NOW

JSON = (b"content-type", b"application/json")
SECRET = "hunter2"


def side(which: Side, document: Any, *, zipped: bool = False) -> Observation:
    """An answer in JSON."""
    body = json.dumps(document).encode()
    headers = (JSON, (b"content-encoding", b"gzip")) if zipped else (JSON,)
    return Observation(which, 200, headers, gzip.compress(body) if zipped else body, 1.0)


def found(
    control: Any, candidate: Any, *, request: Any = None, target: bytes = b"/a", path: str = "/a", zipped: bool = False
) -> Finding:
    """The finding on two answers that differ."""
    mine, theirs = side(Side.LEGACY, control, zipped=zipped), side(Side.NEW, candidate, zipped=zipped)
    body = None if request is None else json.dumps(request).encode()
    asked = OutboundRequest("POST", target, (JSON,), body, "http", "10.0.0.1")
    verdict = compare(mine, theirs, Rules(), today=date(2026, 11, 21))
    exchange = Exchange("r", "id", "shadow", 1, Side.LEGACY, target, asked, mine, theirs, verdict)
    template = Template.parse(path)
    finding = Recorder(Keyed(b"k"), template_of=lambda _: template).finding(exchange, Rules(), NOW)
    assert finding.outcome is Outcome.MISMATCHED
    return finding


PAIRS = [
    {"name": "password", "value": SECRET},
    {"value": SECRET, "name": "db_password"},
    {"key": "API-Key", "enabled": True, "value": SECRET},
    {"Header": "Authorization", "Value": SECRET},
    {"field": "pin", "default_value": SECRET},
    {"type": "password", "value": SECRET},
    {"attr": "apiKey", "newValue": SECRET},
    {"k": "token", "v": SECRET},
    {"op": "replace", "path": "/user/password", "value": SECRET},
    {"loc": ["body", "password"], "msg": "too short", "input": SECRET},
    {"env": [["DB_PASSWORD", SECRET], ["A", "b"]]},
    {"columns": ["id", "password"], "rows": [[1, SECRET]]},
    {"fields": [{"name": "id"}, {"name": "api_key"}], "values": [[1, SECRET]]},
    {"name": "tokens", "meta": {"a": [1, {"b": 2}]}, "values": ["public", SECRET]},
]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: next(iter(pair)))
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
def test_a_value_beside_a_secret_name_is_hidden(pair: dict[str, Any], zipped: bool) -> None:
    """At its own place, where no name shows, and in a whole object; the other side's is another token."""
    other = json.loads(json.dumps(pair).replace(SECRET, "correct horse"))
    finding = found({"fields": [{"a": 1}, pair]}, {"fields": [{"a": 1}, other]}, zipped=zipped)
    assert SECRET not in repr(finding)
    assert "correct horse" not in repr(finding)
    (mismatch,) = finding.verdict.mismatches
    assert mismatch.control != mismatch.candidate
    extra = found({"fields": []}, {"fields": [pair]}, zipped=zipped)
    assert SECRET not in repr(extra)


def test_what_a_request_told_is_hidden_in_both_its_body_and_the_answers() -> None:
    """The same secret has the same token wherever it turns up."""
    finding = found(
        {"said": f"no such user {SECRET}-{SECRET}"},
        {"said": 1},
        request=[{"key": "password", "value": f"{SECRET}-{SECRET}"}],
    )
    assert SECRET not in repr(finding)
    token = Keyed(b"k")(f"{SECRET}-{SECRET}")
    assert finding.request is not None
    assert token in (finding.request.body or "")
    assert token in (finding.verdict.mismatches[0].control or "")


def test_a_number_beside_a_secret_name_is_hidden() -> None:
    """A PIN is one; the same digits elsewhere stay."""
    finding = found({"f": {"name": "pin", "value": 4711}, "n": 1}, {"f": {"name": "pin", "value": 4712}, "n": 14711})
    shown = {each.where: (each.control, each.candidate) for each in finding.verdict.mismatches}
    assert "4711" not in str(shown["body/f/value"])
    assert shown["body/n"] == ("1", "14711")


def test_a_pair_with_another_name_stays_readable() -> None:
    """What is no secret is what somebody wants to see."""
    for beside in ({"name": "colour"}, {"path": "/api/tokens"}, {"missing": [["password", "token"]]}):
        finding = found([{**beside, "value": "red"}], [{**beside, "value": "blue"}])
        (mismatch,) = finding.verdict.mismatches
        assert (mismatch.control, mismatch.candidate) == ('"red"', '"blue"')
    finding = found({"columns": ["id", "kg"], "rows": [["red", 1]]}, {"columns": ["id", "kg"], "rows": [["blue", 1]]})
    assert '"red"' in str(finding.verdict)


@pytest.mark.parametrize("key", [SECRET, "8fQ3kd-x", "a b", "4711", "x" * 40])
def test_a_secret_that_is_a_key_is_hidden_in_its_place(key: str) -> None:
    """Behind a name for secrets stands one, where it is no name itself."""
    finding = found({"reset_tokens": {key: 1}}, {"reset_tokens": {key: 2}})
    assert key not in repr(finding)
    assert finding.verdict.mismatches[0].where == f"body/reset_tokens/{Keyed(b'k')(key)}"


@pytest.mark.parametrize(
    ("field", "where"), [("expires_at", "body/session/expires_at"), ("userId", "body/session/userId")]
)
def test_a_field_of_a_secret_keeps_its_name(field: str, where: str) -> None:
    """Its value goes, but which it was is what somebody looks for."""
    finding = found({"session": {field: "1"}}, {"session": {field: "2"}})
    assert finding.verdict.mismatches[0].where == where
    assert found({"tokens": [1, 2]}, {"tokens": [1, 3]}).verdict.mismatches[0].where == "body/tokens/1"


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/reset/{token}", b"/reset/hunter2"),
        ("/reset/{token}", b"/reset/hunter2/"),
        ("/users/{id}/{reset_code}/x", b"/users/7/hunter2/x?page=1"),
    ],
)
def test_a_parameter_with_a_secret_name_is_hidden(path: str, target: bytes) -> None:
    """In the target, in a log, and where an answer shows it."""
    finding = found({"a": SECRET}, {"a": 1}, target=target, path=path)
    assert SECRET not in repr(finding)
    assert finding.target == target.decode().replace(SECRET, Keyed(b"k")(SECRET))
    assert redact_target(target, Template.parse(path)) == target.decode().replace(SECRET, "(hidden)")
    assert redact_target(b"/users/7/x", Template.parse("/users/{id}/x")) == "/users/7/x"


def test_a_value_that_is_cut_shows_no_beginning_of_a_secret() -> None:
    """Only the first 200 characters of a value are kept, and a secret may lie across the end."""
    secret = "correct-horse-battery-staple"
    for padding in range(130, 190):
        pair = {"note": "x" * padding, "name": "password", "value": secret}
        shown = found({"f": []}, {"f": [pair]}).verdict.mismatches[0].candidate or ""
        assert "correct-h" not in shown, shown


def test_a_sentence_that_is_cut_shows_no_beginning_of_a_secret() -> None:
    """The same where no quote stands before it."""
    secret = "correct-horse-battery-staple"
    pair = {"name": "password", "value": secret}
    for padding in range(130, 195):
        said = {"note": "x" * padding + f" {secret} is no password"}
        shown = found({"f": [pair], "said": 1}, {"f": [pair], "said": said}).verdict.mismatches[0].candidate or ""
        assert "correct-h" not in shown, shown


def test_however_many_pairs_there_are_none_is_shown() -> None:
    """Of a thousand settings each may be a password; then no value that has a name beside it is shown."""
    mine, theirs = (
        [{"name": "password", "value": f"{side}-{n}"} for n in range(1_000)] for side in ("hunter", "horse")
    )
    kept = repr(found(mine, theirs))
    assert "hunter-" not in kept
    assert "horse-" not in kept


@pytest.mark.parametrize(
    "columns", [("name", "value"), ("setting_key", "setting_value"), ("param", "current")], ids=lambda two: two[0]
)
def test_a_column_beside_a_secret_name_is_hidden_in_the_finding_on_a_write(columns: tuple[str, str]) -> None:
    """A table of settings: neither the place of the mismatch nor the value says that it is a password."""
    name, value = columns
    rows = [{name: "smtp_password", value: said, "note": "by mail"} for said in (SECRET, "correct horse")]
    mine, theirs = side(Side.LEGACY, {}), side(Side.NEW, {})
    row = {"table": "public.settings", "op": "insert", "new": rows[1], "old": None}
    written = Written([row], [{"changes": 1, "row": rows[0], "known": True}])
    verdict = compare_write(mine, theirs, written, Rules(), today=date(2026, 11, 21))
    asked = OutboundRequest("POST", b"/a", (JSON,), None, "http", "10.0.0.1")
    exchange = Exchange("r", "id", "shadow", 1, Side.LEGACY, b"/a", asked, mine, theirs, verdict, rows=written.values())
    finding = Recorder(Keyed(b"k")).finding(exchange, Rules(), NOW)
    assert [each.where for each in finding.verdict.mismatches] == [f"rows/settings/{value}"]
    assert SECRET not in repr(finding)
    assert "correct horse" not in repr(finding)
