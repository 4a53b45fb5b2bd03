"""A run asks both sides every case, judges the answers and tells it to people and to CI."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from gateway.contract.junit import junit, write_junit
from gateway.contract.load import Contracts, load
from gateway.contract.report import render
from gateway.contract.verify import CaseResult, State, exit_code, select, unused_rules, verify
from gateway.failure import Failure
from gateway.message import Headers, Observation, OutboundRequest, Side
from tests.gateway.contract.folders import DIFFERENCES, IDENTITIES, TODAY, right, write

JSON: Headers = ((b"content-type", b"application/json"),)
Answer = Callable[[Side, OutboundRequest], Observation]

FILES = {
    "lots.get/route.yaml": "route: GET /api/lots/{id}\neffect: read\nstickiness: jwt.sub\nnew: /v1/lots/{id}\n",
    "lots.get/differences.yaml": DIFFERENCES,
    "lots.get/cases/one.yaml": (
        "why: one\nas: operator\nrequest: {target: '/API/lots/a%2Fb?x=1'}\nexpect: {status: 200}\n"
    ),
    "lots.get/cases/two.yaml": "why: two\nrequest: {target: /api/lots/2}\nexpect: {status: 200}\n",
    "runs.get/route.yaml": "route: GET /api/runs/{id}\neffect: read\nstickiness: jwt.sub\n",
    "runs.get/cases/three.yaml": "why: three\nrequest: {target: /api/runs/3}\nexpect: {status: 200}\n",
    "identities.yaml": IDENTITIES,
}


def says(side: Side, body: bytes, status: int = 200) -> Observation:
    """One side's JSON answer."""
    return Observation(side, status, JSON, body, 2.0)


async def run(contracts: Contracts, answer: Answer, *only: str) -> list[CaseResult]:
    """The results of a run against answers made up by a test."""

    async def ask(side: Side, request: OutboundRequest) -> Observation:
        return answer(side, request)

    return await verify(contracts, ask=ask, authorize=lambda _: b"Bearer t", today=TODAY, only=only)


@pytest.fixture
def contracts(tmp_path: Path) -> Contracts:
    """Two routes, three cases and one rule."""
    return right(load(write(tmp_path, FILES), today=TODAY))


def shown(results: list[CaseResult], contracts: Contracts | None = None) -> str:
    """The report as a pipe would get it."""
    console = Console(file=io.StringIO(), width=200)
    render(results, console, unused=unused_rules(contracts, results) if contracts else ())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def test_each_side_gets_its_own_target_and_the_same_everything_else(contracts: Contracts) -> None:
    """Legacy sees the target as written; new its own path with the same bytes and query."""
    seen: list[tuple[Side, OutboundRequest]] = []

    def answer(side: Side, request: OutboundRequest) -> Observation:
        seen.append((side, request))
        return says(side, b"{}")

    await run(contracts, answer, "lots.get/one")
    assert [(side, request.target) for side, request in seen] == [
        (Side.LEGACY, b"/API/lots/a%2Fb?x=1"),
        (Side.NEW, b"/v1/lots/a%2Fb?x=1"),
    ]
    assert all(request.headers == ((b"authorization", b"Bearer t"),) for _, request in seen)
    assert all(request.method == "GET" and request.body is None for _, request in seen)


async def test_both_sides_are_seeded_before_every_case(contracts: Contracts) -> None:
    """A case never meets what another one left."""
    events: list[str] = []

    async def ask(side: Side, request: OutboundRequest) -> Observation:
        events.append(side)
        return says(side, b"{}")

    async def reset() -> None:
        events.append("reset")

    await verify(contracts, ask=ask, authorize=lambda _: None, today=TODAY, reset=reset)
    assert events == ["reset", "legacy", "new"] * 3


async def test_a_run_in_which_all_agree_ends_with_zero(contracts: Contracts) -> None:
    """And the report says so in its last line."""
    results = await run(contracts, lambda side, _: says(side, b'{"a": 1}'))
    assert [result.state for result in results] == [State.AGREED] * 3
    assert exit_code(results) == 0
    assert shown(results).splitlines()[-1] == "3 cases: 3 agreed"


async def test_a_difference_is_shown_with_both_values_and_ends_with_one(contracts: Contracts) -> None:
    """Kind, place, and one value under the other."""
    results = await run(contracts, lambda side, _: says(side, b'{"a": "%s"}' % side.encode()), "runs.get")
    assert exit_code(results) == 1
    assert [line.strip() for line in shown(results).splitlines()] == [
        "runs.get",
        "DIFFERS     three  three",
        "value body/a",
        'legacy  "legacy"',
        'new     "new"',
        "1 case: 1 differs",
    ]


async def test_an_allowed_difference_passes_and_its_reason_is_shown(contracts: Contracts) -> None:
    """It is told apart from agreement."""
    bodies = {Side.LEGACY: b'{"weight_kg": "540.0"}', Side.NEW: b'{"weight_kg": 540}'}
    results = await run(contracts, lambda side, _: says(side, bodies[side]), "lots.get")
    assert [result.state for result in results] == [State.ALLOWED] * 2
    assert exit_code(results) == 0
    assert "body/weight_kg: the pg driver prints numerics as strings" in shown(results)
    assert unused_rules(contracts, results) == []


async def test_agreeing_on_something_unexpected_ends_with_one(contracts: Contracts) -> None:
    """Both sides broken alike is no success."""
    results = await run(contracts, lambda side, _: says(side, b"{}", status=500), "runs.get")
    assert (results[0].state, exit_code(results)) == (State.UNEXPECTED, 1)
    assert "legacy answers 500, the case expects 200" in shown(results)


async def test_an_answer_that_cannot_be_read_ends_with_one(contracts: Contracts) -> None:
    """Unreadable is not agreement."""
    bodies = {Side.LEGACY: b'{"a": NaN}', Side.NEW: b'{"a": null}'}
    results = await run(contracts, lambda side, _: says(side, bodies[side]), "runs.get")
    assert (results[0].state, exit_code(results)) == (State.NOT_COMPARABLE, 1)
    assert "legacy: the body has NaN, which is not JSON" in shown(results)


@pytest.mark.parametrize("failure", [Failure.NEW_UNREACHABLE, Failure.LEGACY_CONNECT_TIMEOUT])
async def test_a_side_that_cannot_be_reached_ends_the_run_with_three(contracts: Contracts, failure: Failure) -> None:
    """The other cases are skipped: each would wait for the same nothing."""

    def answer(side: Side, request: OutboundRequest) -> Observation:
        if failure.code.startswith(side):
            return Observation(side, None, (), b"", 1.0, failure)
        return says(side, b"{}")

    results = await run(contracts, answer)
    assert [result.state for result in results] == [State.UNREACHABLE, State.SKIPPED, State.SKIPPED]
    assert exit_code(results) == 3
    assert failure.code in shown(results)


async def test_a_side_that_fails_while_it_answers_is_a_difference(contracts: Contracts) -> None:
    """A reset in the middle is what a client would see."""

    def answer(side: Side, request: OutboundRequest) -> Observation:
        return says(side, b"{}") if side is Side.LEGACY else Observation(side, None, (), b"", 1.0, Failure.NEW_RESET)

    assert [result.state for result in await run(contracts, answer)] == [State.DIFFERS] * 3


async def test_a_rule_that_allowed_nothing_is_reported_when_every_case_ran(contracts: Contracts) -> None:
    """A part of the cases says nothing about a rule."""
    everything = await run(contracts, lambda side, _: says(side, b"{}"))
    assert [rule.origin for rule in unused_rules(contracts, everything)] == ["contracts/lots.get/differences.yaml:2"]
    assert "contracts/lots.get/differences.yaml:2: body/weight_kg allowed nothing" in shown(everything, contracts)
    part = await run(contracts, lambda side, _: says(side, b"{}"), "lots.get/one")
    assert unused_rules(contracts, part) == []


async def test_a_rule_for_the_moment_is_used_when_its_place_is_there(tmp_path: Path) -> None:
    """Two clocks may agree by chance, which does not make the rule superfluous."""
    at = DIFFERENCES.replace("as: number", "as: timestamp_any").replace("weight_kg", "at")
    contracts = right(load(write(tmp_path, {**FILES, "lots.get/differences.yaml": at}), today=TODAY))
    there = await run(contracts, lambda side, _: says(side, b'{"at": "2026-11-21T00:00:00Z"}'))
    gone = await run(contracts, lambda side, _: says(side, b"{}"))
    assert unused_rules(contracts, there) == []
    assert len(unused_rules(contracts, gone)) == 1


def test_cases_are_chosen_by_route_or_by_name(contracts: Contracts) -> None:
    """Names that nobody has are handed back."""
    chosen, unknown = select(contracts, ["lots.get", "runs.get/three", "nope", "lots.get/nope"])
    assert [case.name for case in chosen] == ["one", "two", "three"]
    assert unknown == ["lots.get/nope", "nope"]


async def test_junit_has_a_suite_per_route_and_survives_hostile_answers(contracts: Contracts, tmp_path: Path) -> None:
    """Markup, control characters and half surrogates of an answer cannot break the document."""
    bodies = {Side.LEGACY: b'{"]]><x>": "\\u0000\\u001b\\ud800&"}', Side.NEW: '{"\ufffe": 1}'.encode()}
    results = await run(contracts, lambda side, _: says(side, bodies[side]))
    path = tmp_path / "reports" / "junit.xml"
    write_junit(results, path)
    suites = ElementTree.fromstring(path.read_bytes())
    assert {suite.get("name"): suite.get("failures") for suite in suites} == {"lots.get": "2", "runs.get": "1"}
    failure = suites.find("testsuite/testcase/failure")
    assert failure is not None
    assert failure.get("type") == "differs"
    assert "missing body/]]><x>" in (failure.text or "")


async def test_junit_tells_errors_and_skipped_cases_apart(contracts: Contracts) -> None:
    """A side that is down is an error of the run, not a failure of the code."""
    down = await run(contracts, lambda side, _: Observation(side, None, (), b"", 1.0, Failure.NEW_UNREACHABLE))
    suites = ElementTree.fromstring(junit(down))
    assert (suites.get("errors"), suites.get("skipped"), suites.get("failures")) == ("1", "2", "0")
    assert [child.tag for case in suites.iter("testcase") for child in case] == ["error", "skipped", "skipped"]


async def test_an_answer_is_never_read_as_markup(contracts: Contracts) -> None:
    """Square brackets of an answer stay what they are."""
    bodies = {Side.LEGACY: b'{"a": "[bold]x[/bold][link=http://evil]"}', Side.NEW: b"{}"}
    results = await run(contracts, lambda side, _: says(side, bodies[side]), "runs.get")
    assert '"[bold]x[/bold][link=http://evil]"' in shown(results)
