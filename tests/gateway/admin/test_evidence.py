"""The admin API tells evidence: clusters with examples, hits of rules, what was compared."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gateway.diff.pattern import Pattern
from gateway.diff.rules import Rule, Rules
from gateway.diff.verdict import Kind, Mismatch, Outcome, Verdict
from gateway.message import Side
from gateway.rollout.evidence import Stratum
from gateway.shadow.finding import AskedRequest, Finding
from gateway.shadow.revision import rule_id
from tests.gateway.admin.conftest import Plane

ROUTE = "/api/routes/lots.create"
FOUND = Finding(
    route="lots.create",
    request_id="r1",
    at=datetime(2026, 7, 1, tzinfo=UTC),
    method="GET",
    target="/api/lots?a=1",
    stage="shadow",
    flag_version=3,
    authoritative=Side.LEGACY,
    control_status=200,
    candidate_status=500,
    control_ms=1.0,
    candidate_ms=2.0,
    verdict=Verdict(Outcome.MISMATCHED, (Mismatch(Kind.VALUE, "body/0/name", '"<b>"', None),)),
    revision="one",
    stratum=Stratum("GET", 2, ("a",), (), "", ""),
    request=AskedRequest((("accept", "*/*"),), None, "", "ADMIN"),
)


def rule(where: str, until: date = date(2099, 1, 1)) -> Rule:
    """A rule of this place."""
    parsed = Pattern.parse(where)
    return Rule(parsed, frozenset({Kind.VALUE}), "why", "lots", until, f"lots.create/differences.yaml:{len(where)}")


async def test_mismatches_are_clusters_with_the_requests_that_are_their_examples(plane: Plane) -> None:
    """Each cluster has its count and examples; each request is told once, with both statuses and all differences."""
    await plane.evidence.store([FOUND, replace(FOUND, request_id="r2")])
    told = (await plane.ask("GET", f"{ROUTE}/mismatches", role="viewer")).json()
    (cluster,) = told["clusters"]
    assert told["verdicts"] == {"mismatched": 2}
    assert (cluster["where"], cluster["kind"], cluster["outcome"]) == ("body/*/name", "value", "mismatched")
    assert (cluster["count"], cluster["current"], len(cluster["exemplars"])) == (2, True, 2)
    newest = told["findings"][0]
    assert cluster["exemplars"][0] == {
        "finding": newest["id"],
        "where": "body/0/name",
        "control": '"<b>"',
        "candidate": None,
    }
    assert {**newest, "id": 0} == {
        "id": 0,
        "request_id": "r2",
        "at": "2026-07-01T00:00:00+00:00",
        "method": "GET",
        "target": "/api/lots?a=1",
        "stage": "shadow",
        "flag_version": 3,
        "revision": "one",
        "authoritative": "legacy",
        "control_status": 200,
        "candidate_status": 500,
        "control_ms": 1.0,
        "candidate_ms": 2.0,
        "outcome": "mismatched",
        "reason": "",
        "rescued": False,
        "mismatches": [{"kind": "value", "where": "body/0/name", "control": '"<b>"', "candidate": None}],
        "request": {"headers": [["accept", "*/*"]], "body": None, "left_out": "", "role": "ADMIN"},
    }


async def test_rules_that_never_hit_are_told_beside_those_that_do(plane: Plane) -> None:
    """Each rule in force has its hits; one that is over says so, and one that is gone is not told."""
    hit, silent, over = rule("body/a"), rule("body/bb"), rule("body/ccc", until=date(2020, 1, 1))
    plane.rules["lots.create"] = Rules((hit, silent, over))
    allowed = Verdict(Outcome.ALLOWED)
    await plane.evidence.store([replace(FOUND, verdict=allowed, rules_hit=(rule_id(hit), "gone"))] * 2)
    told = (await plane.ask("GET", f"{ROUTE}/rules", role="viewer")).json()["rules"]
    assert [(one["where"], one["hits"], one["expired"]) for one in told] == [
        ("body/a", 2, False),
        ("body/bb", 0, False),
        ("body/ccc", 0, True),
    ]
    assert told[0]["last_hit"] is not None
    assert told[1]["last_hit"] is None


async def test_evidence_is_what_the_gate_sees(plane: Plane) -> None:
    """Counts, times and strata are those of the revision in force; the minutes tell those before it, too."""
    await plane.evidence.store([FOUND, replace(FOUND, revision="old", verdict=Verdict(Outcome.MATCHED))])
    told = (await plane.ask("GET", f"{ROUTE}/evidence", role="viewer")).json()
    assert (told["revision"], told["counts"]["mismatched"], told["counts"]["matched"]) == ("one", 1, 0)
    assert told["control_ms"] == [{"le": 1.0, "count": 1}]
    assert [(one["role"], one["served"], one["compared"]) for one in told["strata"]] == [("", 1, 1)]
    assert {one["revision"] for one in told["minutes"]} == {"one", "old"}


@pytest.mark.parametrize("since", ["0", "-1", "1h", "1e3", "9" * 30, "%00"])
async def test_a_time_that_is_none_is_refused(plane: Plane, since: str) -> None:
    """What is no number of seconds is a 422."""
    answer = await plane.ask("GET", f"{ROUTE}/mismatches?since={since}", role="viewer")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_query")


@pytest.mark.parametrize("what", ["mismatches", "rules", "evidence"])
async def test_evidence_of_no_route_is_404_and_nobody_reads_without_a_token(plane: Plane, what: str) -> None:
    """As everywhere in the API."""
    assert (await plane.ask("GET", f"/api/routes/no.such/{what}", role="viewer")).status_code == 404
    assert (await plane.ask("GET", f"{ROUTE}/{what}", role="nobody")).status_code == 401


async def test_evidence_is_503_while_the_database_is_down(plane: Plane) -> None:
    """A failure of the database is told as everywhere in the API."""
    await plane.ask("GET", ROUTE)
    await plane.lose_database()
    for what in ("mismatches", "rules", "evidence"):
        assert (await plane.ask("GET", f"{ROUTE}/{what}")).status_code == 503
