"""Findings as people read them."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.findings import Group, grouped, place, rule_for
from gateway.cli.output import rendered
from gateway.cli.routes import Stage
from gateway.cli.show import findings_text, flag_text, routes_table
from gateway.cli.tokens import Role
from gateway.contract.load import Contracts, load
from gateway.db import tokens
from gateway.rollout import stage


def mismatch(where: str, kind: str = "value", control: str | None = "1", candidate: str | None = "2") -> dict[str, Any]:
    """One difference as the admin plane tells it."""
    return {"kind": kind, "where": where, "control": control, "candidate": candidate}


def finding(*mismatches: dict[str, Any], request: str = "r1", reason: str = "", new: int = 200) -> dict[str, Any]:
    """One compared request as the admin plane tells it."""
    return {
        "request_id": request,
        "at": "2026-11-21T01:02:03.456789+00:00",
        "method": "GET",
        "target": "/api/lots",
        "control_status": 200,
        "candidate_status": new,
        "outcome": "mismatched" if mismatches else "not_comparable",
        "reason": reason,
        "mismatches": list(mismatches),
    }


def shown(findings: list[dict[str, Any]], verdicts: dict[str, int] | None = None) -> str:
    """The text on a terminal of 80 columns."""
    return rendered(findings_text("lots.list", findings, verdicts or {}), io.StringIO())


def test_same_difference_is_told_once_with_its_newest_values() -> None:
    """Positions in a list are one place; the newest request is the one that is shown; frequent ones come first."""
    groups = grouped(
        [
            finding(mismatch("body/4/kg", candidate="9"), mismatch("body/7/kg"), request="newest"),
            finding(mismatch("status", "status"), mismatch("body/0/kg"), request="older"),
        ]
    )
    assert [(group.where, group.seen) for group in groups] == [("body/*/kg", 2), ("status", 1)]
    assert groups[0].newest["candidate"] == "9"
    assert groups[0].finding["request_id"] == "newest"


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("body/0/lots/12/kg", "body/*/lots/*/kg"),
        ("body/3", "body/3"),
        ("body", "body"),
        ("header/x-1", "header/x-1"),
        ("body/4kg/1", "body/4kg/*"),
    ],
)
def test_place_is_named_as_a_rule_would_name_it(where: str, named: str) -> None:
    """Only whole segments are positions, and no rule may stand for the whole body."""
    assert place(where) == named


@pytest.mark.parametrize(
    "group",
    [
        Group("value", "body/*/kg", 1, {}, finding()),
        Group("status", "status", 1, {}, finding(new=422)),
        Group("type", "body", 1, {}, finding()),
        Group("missing", 'body/a "b": #c', 1, {}, finding()),
        Group("header", "header/vary", 1, {}, finding()),
    ],
    ids=lambda group: group.where,
)
def test_rule_that_is_offered_would_be_accepted(group: Group, tmp_path: Path) -> None:
    """What people paste into differences.yaml is a rule that `contracts check` takes."""
    folder = tmp_path / "contracts" / "lots.list"
    folder.mkdir(parents=True)
    (folder / "route.yaml").write_text("route: GET /api/lots\neffect: read\nstickiness: jwt.sub\n")
    rule = rule_for(group, owner="lots", until=date(2027, 6, 30))
    (folder / "differences.yaml").write_text(f"allow:\n{rule}\n")
    loaded = load(tmp_path / "contracts", today=date(2026, 11, 21))
    assert isinstance(loaded, Contracts), loaded
    assert len(loaded.rules("lots.list").rules) == 1


def test_text_fits_80_columns_and_names_the_file() -> None:
    """Long values are folded, and the last lines say where to allow what is right."""
    text = shown([finding(mismatch("body/0/kg", control='"' + "x" * 2000 + '"', candidate=None))])
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "contracts/lots.list/differences.yaml" in text
    assert "(nothing)" in text
    assert "GET /api/lots" in text
    assert "where: body/*/kg" in text


def test_value_of_a_backend_cannot_steer_the_terminal() -> None:
    """Escape sequences in values, targets and reasons are shown, not obeyed."""
    text = shown([finding(mismatch("body/\x1b[2J", control="\x1b]0;x\x07")), finding(reason="\x1b[31m")])
    assert "\x1b" not in text
    assert "\\x1b[2J" in text


def test_what_could_not_be_compared_is_told() -> None:
    """A finding without mismatches shows its reason and no rule."""
    text = shown([finding(reason="new_timeout")])
    assert "new_timeout" in text
    assert "differences.yaml" not in text


def test_no_finding_is_said() -> None:
    """Nothing compared and nothing different are two sentences."""
    assert "nothing of lots.list has been compared" in shown([])
    assert "lots.list: 7 compared, 5 matched, 2 allowed" in shown([], {"allowed": 2, "matched": 5})


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ({"stage": "legacy", "canary": 0, "sample": 500}, "legacy"),
        ({"stage": "canary", "canary": 500, "sample": 10_000}, "canary 5%"),
        ({"stage": "shadow", "canary": 0, "sample": 1}, "shadow, compared 0.01%"),
    ],
)
def test_flag_is_told_in_a_few_words(flag: dict[str, Any], text: str) -> None:
    """A share is shown where it has a meaning."""
    assert flag_text(flag) == text


def test_flags_that_may_be_out_of_date_are_marked() -> None:
    """While the gateway cannot ask its database, the list of routes says so."""
    flag = {"stage": "legacy", "canary": 0, "sample": 0, "version": 0}
    routes = [{"key": "a.b", "method": "GET", "path": "/b", "effect": "read", "flag": flag}]
    stale = routes_table(routes, {"fresh": False, "why_stale": "the disk is full", "panic": False})
    assert "out of date: the disk is full" in rendered(stale, io.StringIO())
    assert "out of date" not in rendered(
        routes_table(routes, {"fresh": True, "why_stale": "", "panic": False}), io.StringIO()
    )


def test_words_are_those_of_the_gateway() -> None:
    """The stages and roles a person may type are the gateway's, in the same order."""
    assert [one.value for one in Stage] == [one.value for one in stage.Stage]
    assert [one.value for one in Role] == [one.word for one in tokens.Role]
