"""Runs contract cases against both sides and judges the answers as the shadow does.

It knows no database and no transport: `ask` asks a side, `reset` seeds both sides anew before each case.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import islice

from gateway.contract.cases import Case
from gateway.contract.expectation import broken
from gateway.contract.identities import Identity
from gateway.contract.load import Contracts
from gateway.diff.body import read_body
from gateway.diff.compare import compare
from gateway.diff.document import Document
from gateway.diff.pattern import Place
from gateway.diff.readers import FLEETING
from gateway.diff.rules import Rule
from gateway.diff.verdict import Outcome, Verdict
from gateway.diff.walk import places
from gateway.failure import Failure
from gateway.message import Headers, Observation, OutboundRequest, Side
from gateway.routing.table import RouteTable

Ask = Callable[[Side, OutboundRequest], Awaitable[Observation]]
Reset = Callable[[], Awaitable[None]]
MAX_PLACES = 10_000  # of one body, looked at for rules that allowed nothing
Authorize = Callable[[Identity], bytes | None]

_UNREACHABLE = frozenset(
    failure
    for failure in Failure
    if failure.name.endswith(("_UNREACHABLE", "_CONNECT_TIMEOUT", "_BUSY", "_UNAVAILABLE", "_MISSING"))
)


class State(StrEnum):
    """What became of a case, in one word."""

    AGREED = "agreed"
    ALLOWED = "allowed"  # both agree but for differences that rules allow
    DIFFERS = "differs"
    UNEXPECTED = "unexpected"  # both agree, on something else than the case expects
    NOT_COMPARABLE = "not_comparable"
    UNREACHABLE = "unreachable"
    SKIPPED = "skipped"  # a side could not be reached before its turn came


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case, what became of it, and why: the verdict, and a sentence per broken expectation.

    `observations` are legacy's and new's; None for a case that was skipped.
    """

    case: Case
    state: State
    verdict: Verdict | None = None
    broken: tuple[str, ...] = ()
    observations: tuple[Observation, Observation] | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing about this case has to be explained."""
        return self.state in (State.AGREED, State.ALLOWED)

    @property
    def elapsed_s(self) -> float:
        """How long both sides took together, in seconds."""
        return sum(one.elapsed_ms for one in self.observations) / 1000 if self.observations else 0.0


def select(contracts: Contracts, only: Collection[str] = ()) -> tuple[list[Case], list[str]]:
    """The cases of the named routes (`lots.create`) or cases (`lots.create/minimal`), and names nobody has."""
    cases = [case for contract in contracts.by_key.values() for case in contract.cases]
    if not only:
        return cases, []
    names = {case.route for case in cases} | set(contracts.by_key) | {f"{case.route}/{case.name}" for case in cases}
    chosen = [case for case in cases if case.route in only or f"{case.route}/{case.name}" in only]
    return chosen, sorted(set(only) - names)


async def verify(
    contracts: Contracts,
    *,
    ask: Ask,
    authorize: Authorize,
    today: date,
    reset: Reset | None = None,
    only: Collection[str] = (),
) -> list[CaseResult]:
    """Run the chosen cases one after the other; once a side cannot be reached, the others are skipped.

    `authorize` makes the Authorization header of an identity, None for one without a token.
    """
    table = RouteTable(contracts.routes)
    results: list[CaseResult] = []
    for case in select(contracts, only)[0]:
        if results and results[-1].state in (State.UNREACHABLE, State.SKIPPED):
            results.append(CaseResult(case, State.SKIPPED))
            continue
        if reset is not None:
            await reset()
        identity = contracts.identities.by_name[case.identity] if case.identity else None
        authorization = authorize(identity) if identity else None
        legacy, new = await asyncio.gather(
            *(ask(side, _request(case, side, table, authorization)) for side in (Side.LEGACY, Side.NEW))
        )
        results.append(_judged(case, legacy, new, contracts, today))
    return results


def _request(case: Case, side: Side, table: RouteTable, authorization: bytes | None) -> OutboundRequest:
    target = case.target
    match = table.match(case.method, case.path)
    if side is Side.NEW and match is not None:
        target = match.route.new_path.fill(match.values) + target[len(case.path) :]
    headers: Headers = case.headers
    if authorization is not None:
        headers = (*headers, (b"authorization", authorization))
    return OutboundRequest(case.method, target, headers, case.body, scheme="http", client_ip="127.0.0.1")


def _judged(case: Case, legacy: Observation, new: Observation, contracts: Contracts, today: date) -> CaseResult:
    verdict = compare(legacy, new, contracts.rules(case.route), today=today, case=case.name)
    sentences = tuple(sentence for answer in (legacy, new) for sentence in broken(case.expect[answer.side], answer))
    if {legacy.failure, new.failure} & _UNREACHABLE:
        state = State.UNREACHABLE
    elif verdict.outcome is Outcome.MISMATCHED:
        state = State.DIFFERS
    elif verdict.outcome is Outcome.NOT_COMPARABLE:
        state = State.NOT_COMPARABLE
    elif sentences:
        state = State.UNEXPECTED
    else:
        state = State.ALLOWED if verdict.outcome is Outcome.ALLOWED else State.AGREED
    return CaseResult(case, state, verdict, sentences, (legacy, new))


def unused_rules(contracts: Contracts, results: Sequence[CaseResult]) -> list[Rule]:
    """Rules that allowed nothing, of the routes whose every case was run.

    A rule for what changes from moment to moment counts as used when its place was there: two tokens of
    one second may well be equal.
    """
    run = {result.case.file: result for result in results if result.verdict is not None}
    hit = {allowance.rule for result in run.values() if result.verdict for allowance in result.verdict.allowed}
    unused: list[Rule] = []
    for contract in contracts.by_key.values():
        own = [run[case.file] for case in contract.cases if case.file in run]
        if len(own) == len(contract.cases):
            seen = [place for result in own for place in _places(result)]
            unused += [
                rule
                for rule in contract.rules.rules
                if rule.origin not in hit
                and not (rule.reading in FLEETING and any(rule.where.matches(place) for place in seen))
            ]
    return unused


def _places(result: CaseResult) -> Iterator[Place]:
    body = read_body(result.observations[0]) if result.observations else None
    if isinstance(body, Document):
        yield from islice(places(body.value), MAX_PLACES)


def exit_code(results: Sequence[CaseResult]) -> int:
    """0 all agree, 1 a difference or a broken expectation, 3 a side could not be reached."""
    if any(result.state in (State.UNREACHABLE, State.SKIPPED) for result in results):
        return 3
    return 0 if all(result.passed for result in results) else 1
