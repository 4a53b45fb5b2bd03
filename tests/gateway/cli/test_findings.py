"""Findings as people read them."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.evidence import seconds
from gateway.cli.findings import Group, groups_of, rule_for
from gateway.cli.output import Trouble, rendered
from gateway.cli.routes import Stage
from gateway.cli.show import flag_text, routes_table
from gateway.cli.show_evidence import clusters_text, rules_text
from gateway.cli.tokens import Role
from gateway.contract.load import Contracts, load
from gateway.db import tokens
from gateway.rollout import stage


def finding(new: int = 200, **more: Any) -> dict[str, Any]:
    """One compared request as the admin plane tells it."""
    one: dict[str, Any] = {
        "id": 1,
        "request_id": "r1",
        "at": "2026-11-21T01:02:03.456789+00:00",
        "method": "GET",
        "target": "/api/lots",
        "control_status": 200,
        "candidate_status": new,
    }
    return {**one, **more}


def cluster(where: str, kind: str = "value", count: int = 1, **more: Any) -> dict[str, Any]:
    """One cluster as the admin plane tells it, with one example."""
    example = {"finding": 1, "where": where, "control": "1", "candidate": "2", **more.pop("example", {})}
    one: dict[str, Any] = {
        "id": 7,
        "outcome": "mismatched",
        "where": where,
        "kind": kind,
        "count": count,
        "first_seen": "2026-11-20T01:02:03+00:00",
        "last_seen": "2026-11-21T01:02:03+00:00",
        "current": True,
        "exemplars": [example],
    }
    return {**one, **more}


def told(*clusters: dict[str, Any], findings: list[dict[str, Any]] | None = None) -> list[Group]:
    """The groups of these clusters."""
    return groups_of({"clusters": list(clusters), "findings": findings or [finding()]})


def shown(groups: list[Group], verdicts: dict[str, int] | None = None, *, every: bool = False) -> str:
    """The text on a terminal of 80 columns."""
    return rendered(clusters_text("lots.list", groups, verdicts or {}, every_example=every), io.StringIO())


def test_a_cluster_says_how_often_and_when_it_was_seen() -> None:
    """Count, first and last time, its number, and whether it was seen since something changed."""
    text = shown(told(cluster("body/*/kg", count=12), cluster("status", "status", current=False)))
    assert "body/*/kg: value [7]\n  seen 12 times, 2026-11-20 01:02:03 to 2026-11-21 01:02:03\n" in text
    assert "not since the rules or the new side changed" in text


def test_one_example_is_shown_and_all_when_all_are_wanted() -> None:
    """The newest example is enough to see what differs."""
    examples = [{"finding": n, "where": "body/a", "control": str(n), "candidate": "0"} for n in (2, 1)]
    groups = told(cluster("body/a", exemplars=examples), findings=[finding(id=n, request_id=f"r{n}") for n in (1, 2)])
    assert ("(r2)" in shown(groups), "(r1)" in shown(groups)) == (True, False)
    assert "(r1)" in shown(groups, every=True)


def test_a_rule_that_has_ended_is_named_where_it_would_have_allowed_something() -> None:
    """The day after, whoever looks reads why a difference that was settled is a mismatch."""
    ended = "the rule in contracts/lots.list/differences.yaml:2 would allow body/kg, but ended on 2026-11-20"
    text = " ".join(shown(told(cluster("body/kg"), findings=[finding(reason=ended)])).split())
    assert f"note {ended}" in text
    assert "note" not in shown(told(cluster("body/kg"), findings=[finding(reason="")]))


def test_noise_and_the_places_beyond_the_bound_are_told_and_not_offered_as_rules() -> None:
    """Nothing is to be allowed where legacy does not agree with itself, or nobody knows where."""
    text = shown(told(cluster("body/at", outcome="noise", exemplars=[]), cluster("…", count=9_500)))
    assert "body/at: value, seen once" in text
    assert "further places: value" in text
    assert "differences.yaml" not in text


def test_a_difference_that_is_settled_is_not_offered_as_a_rule_again() -> None:
    """What has not been seen since the rules or the new side changed needs no further rule."""
    assert "where: body/kg" in shown(told(cluster("body/kg")))
    assert "differences.yaml" not in shown(told(cluster("body/kg", current=False)))


def test_a_side_that_gave_no_answer_is_not_offered_as_a_rule() -> None:
    """No rule allows it: one that was copied into the file would do nothing."""
    failed = told(cluster("status", "status"), findings=[finding(candidate_status=None)])
    assert "What is right can be allowed" not in shown(failed)
    assert "What is right can be allowed" in shown(told(cluster("status", "status"), findings=[finding(500)]))


def test_rules_are_told_by_line_with_their_hits_and_their_end() -> None:
    """What a file allows, where and how often, in one table; what is over says so."""
    rule = {
        "where": "body/kg",
        "kind": ["type", "value"],
        "hits": 3,
        "last_hit": "2026-11-21T01:02:03+00:00",
        "until": "2027-06-30",
        "expired": False,
        "rule": "contracts/lots.list/differences.yaml:2",
        "as": None,
        "when": {"legacy": None, "new": None, "case": []},
    }
    silent = {
        **rule,
        "where": "body/\x1b\nx",
        "as": "number",
        "hits": 0,
        "last_hit": None,
        "until": "2026-01-31",
        "expired": True,
        "rule": "contracts/lots.list/differences.yaml:9",
        "when": {"legacy": 500, "new": None, "case": ["minimal"]},
    }
    lines = rendered(rules_text("lots.list", [rule, silent]), io.StringIO()).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "contracts/lots.list/differences.yaml",
        "line where allows when hits last hit",
        "2 body/kg type, value always 3 2026-11-21",
        "9 body/\\x1b\\nx number 500/any cases 0 never",
        "",
        "1 of 2 never hit on live traffic",
        "until 2026-01-31: line 9, OVER: allowed no more",
        "until 2027-06-30: line 2",
    ]


@pytest.mark.parametrize(
    "group",
    [
        *told(cluster("body/*/kg"), cluster("body/*", example={"where": "body/3"}), cluster("body", "type")),
        *told(cluster('body/a "b": #c', "missing"), cluster("header/vary", "header")),
        *told(cluster("status", "status"), findings=[finding(new=422)]),
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
    text = shown(told(cluster("body/*/kg", example={"control": '"' + "x" * 2000 + '"', "candidate": None})))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "contracts/lots.list/differences.yaml" in text
    assert "(nothing)" in text
    assert "GET /api/lots" in text
    assert "where: body/*/kg" in text


def test_value_of_a_backend_cannot_steer_the_terminal() -> None:
    """Escape sequences in values, targets, places and reasons are shown, not obeyed, and make no lines."""
    evil = cluster("body/\x1b[2J\nallow:", example={"control": "\x1b]0;x\x07"})
    unread = cluster("\x1b[31m", "not_comparable", outcome="not_comparable")
    text = shown(told(evil, unread, findings=[finding(target="/\x9b2J", request_id="\u202e")]))
    assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(text)
    assert "body/\\x1b[2J\\nallow:" in text


def test_what_could_not_be_compared_is_told() -> None:
    """A reason is told with a request, and no rule."""
    text = shown(told(cluster("legacy_timeout", "not_comparable", outcome="not_comparable", count=3)))
    assert "not comparable, seen 3 times: legacy_timeout" in text
    assert "differences.yaml" not in text


def test_no_finding_is_said() -> None:
    """Nothing compared and nothing different are two sentences."""
    assert "nothing of lots.list has been compared" in shown([])
    assert "lots.list: 7 compared, 5 matched, 2 allowed" in shown([], {"allowed": 2, "matched": 5})


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("15m", 900), ("1.5h", 5_400), ("1 h", 3_600), ("2d", 172_800)]
)
def test_a_time_is_told_as_people_write_it(text: str, expected: int) -> None:
    """A number and a letter."""
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "1", "h", "0h", "0.5s", "-1h", "1w", "٣h", "9999999d"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    """Anything else is a sentence."""
    with pytest.raises(Trouble, match="is no time like"):
        seconds(text)


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
