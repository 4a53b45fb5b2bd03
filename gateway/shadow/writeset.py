"""What a rehearsed write wrote against what legacy left in the same rows, and whether somebody else was there. Pure.

Rows are the new side's words (docs/reference/new-side.md): columns by name, values as JSON has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from gateway.diff.compare import compare, take_differences
from gateway.diff.equality import same
from gateway.diff.guides import ByRules
from gateway.diff.judging import Judging
from gateway.diff.rules import Circumstances, Difference, Rules
from gateway.diff.value import ABSENT, Value
from gateway.diff.verdict import Kind, Outcome, Verdict
from gateway.message import Observation
from gateway.shadow.drawn import Draw, Drawn

MOMENTS_S: Final = 60.0  # two moments that a database filled in by itself for one request are no further apart
ANOTHER: Final = "another write touched the same rows between the two halves"
UNWATCHED: Final = "the new side changed tables that are not captured: "

Row = Mapping[str, Any]
Swaps = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Written:
    """Rows as the new side wrote them and as they were seen after legacy's answer, in one order.

    `unseen` are tables whose changes nobody captured; `touched`: this process itself sent another write of the kind.
    `others` are rows that legacy's transaction wrote, and the new side did not.
    """

    rows: Sequence[Row] = ()
    seen: Sequence[Row] = ()
    would_commit: bool = True
    unseen: Sequence[str] = ()
    touched: bool = False
    others: Sequence[Row] = ()


def compare_write(
    control: Observation, candidate: Observation, written: Written, rules: Rules, *, today: date, swaps: Swaps = ()
) -> Verdict:
    """Judge a rehearsal by legacy's write: the answers, then the rows; a race is no mismatch."""
    if control.failure is not None or candidate.failure is not None:
        return compare(control, candidate, rules, today=today)
    judging = Judging(rules, Circumstances(control.status, candidate.status, today, None))
    drawn = Drawn(_draws(written))

    def take(difference: Difference) -> None:
        if rules.judge(difference, judging.at)[0] is not None or not drawn.explains(difference):
            judging.take(difference)

    unreadable = take_differences(control, candidate, rules, take, ByRules(rules, judging.at))
    if written.would_commit and _is_success(control):
        for difference in row_differences(written, dict(swaps)):
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
    return UNWATCHED + ", ".join(written.unseen) if written.unseen else None


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


def row_differences(written: Written, legacys: Mapping[str, str]) -> Iterator[Difference]:
    """Where the rows differ, at places like `rows/lots/weight_kg`."""
    for row, seen in zip(written.rows, written.seen, strict=False):
        if row["op"] == "attempt" or not seen.get("known", False):
            continue
        place = _place(row)
        wrote, left = row.get("new"), seen.get("row")
        if wrote is not None and left is not None:
            yield from _columns(place, wrote, left, frozenset(row.get("generated", ())), legacys)
        elif wrote is not None:
            yield Difference(Kind.EXTRA, place, ABSENT, _exact(wrote))
        elif left is not None:
            yield Difference(Kind.MISSING, place, _exact(left), ABSENT)
    for other in written.others:
        yield Difference(Kind.MISSING, _place(other), _exact(other.get("row")), ABSENT)


def _place(row: Row) -> tuple[str, str]:
    return "rows", str(row["table"]).removeprefix("public.")


def _draws(written: Written) -> Iterator[Draw]:
    """What the database drew by itself for a row of each side."""
    for row, seen in zip(written.rows, written.seen, strict=False):
        wrote, left = row.get("new"), seen.get("row")
        if row["op"] == "insert" and seen.get("known", False) and wrote is not None and left is not None:
            for name in row.get("generated", ()):
                if _drawn_alike(wrote.get(name), left.get(name)):
                    yield name, wrote[name], left[name]


def _columns(
    place: tuple[str, ...], wrote: Row, left: Row, generated: frozenset[str], legacys: Mapping[str, str]
) -> Iterator[Difference]:
    for name, mine in wrote.items():
        theirs = left.get(name)
        if same(_exact(mine), _exact(theirs)) or legacys.get(str(mine)) == str(theirs):
            continue
        if name in generated and _drawn_alike(mine, theirs):
            continue
        kind = Kind.TYPE if (mine is None) is not (theirs is None) else Kind.VALUE
        yield Difference(kind, (*place, name), _exact(theirs), _exact(mine))


def _exact(value: Any) -> Value:
    """A value of a row as the comparison has them."""
    match value:
        case float():
            return Decimal(repr(value))
        case Mapping():
            return {str(name): _exact(member) for name, member in value.items()}
        case list():
            return [_exact(member) for member in value]
        case None | bool() | int() | Decimal() | str():
            return value
        case _:
            return str(value)


def _drawn_alike(mine: object, theirs: object) -> bool:
    """Whether both are what a database draws by itself: an id, a number of a sequence, the moment."""
    if isinstance(mine, int) and isinstance(theirs, int):
        return not isinstance(mine, bool)
    if not isinstance(mine, str) or not isinstance(theirs, str):
        return False
    try:
        return bool(UUID(mine) and UUID(theirs))
    except ValueError:
        pass
    try:
        apart = datetime.fromisoformat(mine) - datetime.fromisoformat(theirs)
    except (ValueError, TypeError):
        return False
    return abs(apart.total_seconds()) <= MOMENTS_S


def _is_success(answer: Observation) -> bool:
    return answer.status is not None and answer.status < 400
