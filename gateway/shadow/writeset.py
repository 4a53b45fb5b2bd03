"""Judges a rehearsed write by legacy's: both answers, then the rows, and whether somebody else was there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from gateway.diff.compare import compare, take_differences
from gateway.diff.guides import ByRules
from gateway.diff.judging import Judging
from gateway.diff.rules import Circumstances, Difference, Rules
from gateway.diff.verdict import Outcome, Verdict
from gateway.message import Observation
from gateway.shadow.drawn import Drawn
from gateway.shadow.rows import Written, draws, row_differences

ANOTHER: Final = "another write touched the same rows between the two halves"
HIDDEN: Final = "what legacy left is not shown to the new side, by row level security or for want of rights: "
UNWATCHED: Final = "the new side changed tables that are not captured: "

Swaps = Sequence[tuple[str, str]]


def compare_write(
    control: Observation, candidate: Observation, written: Written, rules: Rules, *, today: date, swaps: Swaps = ()
) -> Verdict:
    """Judge a rehearsal by legacy's write: the answers, then the rows; a race is no mismatch."""
    if control.failure is not None or candidate.failure is not None:
        return compare(control, candidate, rules, today=today)
    judging = Judging(rules, Circumstances(control.status, candidate.status, today, None))
    drawn = Drawn(draws(written))

    def take(difference: Difference) -> None:
        if rules.judge(difference, judging.at)[0] is not None or not drawn.explains(difference):
            judging.take(difference)

    unreadable = take_differences(control, candidate, rules, take, ByRules(rules, judging.at))
    if written.would_commit and _is_success(control):
        for difference in row_differences(written, drawn, dict(swaps)):
            judging.take(difference)
    verdict = judging.verdict(unreadable)
    # answers that agree say nothing of rows that nobody has seen
    differs = verdict.outcome is Outcome.MISMATCHED
    why = why_not_comparable(control, written) if differs else _unwatched(written)
    return verdict if why is None else Verdict(Outcome.NOT_COMPARABLE, reason=why)


def why_not_comparable(control: Observation, written: Written) -> str | None:
    """Why a disagreement says nothing about the new side, None when it does.

    One change of a row is legacy's own where it says that it succeeded; any more, or one that it says it did not make,
    is somebody else's.
    """
    most = max((int(seen.get("changes", 0)) for seen in written.seen), default=0)
    if written.touched or most > int(_is_success(control)):
        return ANOTHER
    return _unwatched(written)


def _unwatched(written: Written) -> str | None:
    """Why nobody has seen all of the rows that the new side would leave, None where somebody has."""
    if written.unseen:
        return UNWATCHED + ", ".join(written.unseen)
    rows = zip(written.rows, written.seen, strict=False)
    hidden = sorted({str(row["table"]) for row, seen in rows if seen.get("hidden", False)})
    return HIDDEN + ", ".join(hidden) if hidden else None


def swaps_of(control: object, candidate: object) -> Iterator[tuple[str, str]]:
    """Pairs of texts, new's and legacy's, that stand at the same place of two documents and differ."""
    match control, candidate:
        case dict(), dict():
            for name in control.keys() & candidate.keys():
                yield from swaps_of(control[name], candidate[name])
        case list(), list():
            for mine, theirs in zip(control, candidate, strict=False):
                yield from swaps_of(mine, theirs)
        case (str() | int(), str() | int()) if control != candidate:
            yield str(candidate), str(control)


def _is_success(answer: Observation) -> bool:
    return answer.status is not None and answer.status < 400
