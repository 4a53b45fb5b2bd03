"""A contract run for people: each case in a line, what differs below it, and a summary. It decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import PurePosixPath

from rich.console import Console
from rich.text import Text

from gateway.contract.verify import CaseResult, State
from gateway.diff.rules import Rule
from gateway.diff.value import cut
from gateway.diff.verdict import Mismatch, Verdict

MAX_PLACES = 5  # named per reason
MAX_MISMATCHES = 20  # shown per case; the JUnit file has them all

_WORDS = {
    State.AGREED: ("agreed", "green"),
    State.ALLOWED: ("allowed", "cyan"),
    State.DIFFERS: ("DIFFERS", "bold red"),
    State.UNEXPECTED: ("UNEXPECTED", "bold red"),
    State.NOT_COMPARABLE: ("UNREADABLE", "bold yellow"),
    State.UNREACHABLE: ("UNREACHABLE", "bold red"),
    State.SKIPPED: ("skipped", "dim"),
}


def report(results: Sequence[CaseResult], *, unused: Sequence[Rule] = ()) -> Text:
    """The whole report; a Text, so that nothing in an answer can be read as markup."""
    text = Text()
    for route, group in groupby(results, key=lambda result: result.case.route):
        text.append(f"{route}\n", style="bold")
        for result in group:
            _case(text, result)
    for route, rules in groupby(sorted(unused, key=_route_of), key=_route_of):
        for rule in rules:
            text.append("unused rule ", style="yellow")
            text.append(f"{rule.origin}: {cut(rule.where.text)} allowed nothing in these cases.\n")
        text.append("  does live traffic need it? then add a case, else take it out;\n")
        text.append(f"  `strangler rules {route}` counts that\n")
    text.append(summary(results))
    return text


def _route_of(rule: Rule) -> str:
    return PurePosixPath(rule.origin).parent.name


def render(results: Sequence[CaseResult], console: Console, *, unused: Sequence[Rule] = ()) -> None:
    """Print the report."""
    console.print(report(results, unused=unused), soft_wrap=True)


def summary(results: Sequence[CaseResult]) -> str:
    """One line: how many cases, and what became of them."""
    counts = Counter(result.state for result in results)
    parts = [f"{counts[state]} {state.replace('_', ' ')}" for state in State if counts[state]]
    cases = "1 case" if len(results) == 1 else f"{len(results)} cases"
    return f"{cases}: {', '.join(parts)}" if parts else "no cases"


def _case(text: Text, result: CaseResult) -> None:
    word, style = _WORDS[result.state]
    text.append(f"  {word:<12}", style=style)
    text.append(result.case.name)
    text.append(f"  {cut(result.case.why)}\n", style="dim")
    for line in explanation(result):
        text.append(f"    {line}\n", style="" if result.passed else "red")


def explanation(result: CaseResult, *, limit: int = MAX_MISMATCHES) -> Iterator[str]:
    """What people need to know of a case, line by line; a mismatch has both values under each other."""
    yield from result.broken
    verdict = result.verdict
    if verdict is None:
        return
    if result.state is State.ALLOWED:
        yield from _reasons(verdict)
    for mismatch in verdict.mismatches[:limit]:
        yield from _mismatch(mismatch)
    if len(verdict.mismatches) > limit:
        yield f"... and {len(verdict.mismatches) - limit} more"
    if verdict.reason:
        yield cut(verdict.reason, 1_000)


def _mismatch(mismatch: Mismatch) -> Iterator[str]:
    yield f"{mismatch.kind} {mismatch.where}"
    yield f"  legacy  {'(nothing)' if mismatch.control is None else mismatch.control}"
    yield f"  new     {'(nothing)' if mismatch.candidate is None else mismatch.candidate}"


def _reasons(verdict: Verdict) -> Iterator[str]:
    """Each reason once, with the places it allowed."""
    places: dict[str, list[str]] = {}
    for allowance in verdict.allowed:
        places.setdefault(allowance.because, []).append(allowance.mismatch.where)
    for because, found in places.items():
        more = f" and {len(found) - MAX_PLACES} more" if len(found) > MAX_PLACES else ""
        yield f"{', '.join(found[:MAX_PLACES])}{more}: {cut(because)}"
