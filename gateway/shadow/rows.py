"""The rows that a rehearsal wrote against those that legacy left: which belong together, and where they differ. Pure.

Rows are the new side's words (docs/reference/new-side.md): columns by name, values as JSON has them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from gateway.diff.equality import same
from gateway.diff.rules import Difference
from gateway.diff.value import ABSENT, Value
from gateway.diff.verdict import Kind
from gateway.shadow.drawn import Draw, Drawn

MOMENTS_S: Final = 60.0  # two moments that a database filled in by itself for one request are no further apart

HALF: Final = 0.5  # of the columns that nobody draws: rows that are less alike are two

Row = Mapping[str, Any]
Pair = tuple[Row, Row]  # what the new side says of a row, and of legacy's


@dataclass(frozen=True, slots=True)
class Written:
    """Rows as the new side wrote them and as they were seen after legacy's answer, in one order.

    `unseen` are tables whose changes nobody captured; `touched`: this process itself sent another write of the kind.
    `others` are rows that legacy's transaction wrote, and to which none of `rows` leads.
    """

    rows: Sequence[Row] = ()
    seen: Sequence[Row] = ()
    would_commit: bool = True
    unseen: Sequence[str] = ()
    touched: bool = False
    others: Sequence[Row] = ()

    def values(self) -> Sequence[Row]:
        """Every row of either side's, as it was and as it is."""
        told = [row.get(which) for row in (*self.rows, *self.others) for which in ("old", "new")]
        return [row for row in (*told, *(seen.get("row") for seen in (*self.seen, *self.others))) if row is not None]


def draws(written: Written) -> Iterator[Draw]:
    """What the database drew by itself for a row of each side; of a row that was there already, only the moment."""
    for row, seen in zip(written.rows, written.seen, strict=False):
        wrote, left = row.get("new"), seen.get("row")
        if seen.get("known", False) and wrote is not None and left is not None:
            for name in row.get("generated", ()):
                mine, theirs = wrote.get(name), left.get(name)
                if _are_moments(mine, theirs) or (row["op"] == "insert" and _drawn_alike(mine, theirs)):
                    yield name, mine, theirs


def row_differences(written: Written, drawn: Drawn, legacys: Mapping[str, str]) -> Iterator[Difference]:
    """Where the rows differ, at places like `rows/lots/weight_kg`; `legacys` are texts of both answers."""
    known = _Known(written, drawn, legacys)
    tables: dict[str, _Table] = defaultdict(_Table)
    for row, seen in zip(written.rows, written.seen, strict=False):
        if row["op"] == "attempt":
            yield from _of_attempt(row, seen, written)
        elif seen.get("known", False):
            yield from known.differences(row, seen)
        elif row["op"] == "insert":
            tables[row["table"]].add(row, seen)
    for other in written.others:
        if other.get("row") is None:  # legacy alone has taken it away
            yield Difference(Kind.EXTRA, _place(other), ABSENT, _exact(other.get("old")))
        else:
            tables[other["table"]].add_other(other)
    for table in tables.values():
        for row, seen in table.pairs(known):
            yield from known.differences(row, seen)


def _of_attempt(row: Row, seen: Row, written: Written) -> Iterator[Difference]:
    """An insert that the new side gave up, where legacy has changed the row that stood in its way."""
    left = seen.get("row")
    if left is None or not seen.get("changes", 0) or not seen.get("known", False):
        return
    also = (one for one, other in zip(written.rows, written.seen, strict=False) if other.get("row") == left)
    if not any(one["op"] != "attempt" and one["table"] == row["table"] for one in also):
        yield Difference(Kind.MISSING, _place(row), _exact(left), ABSENT)


class _Table:
    """Inserted rows of one table to which no key leads, and legacy's rows that none of the new side's is."""

    def __init__(self) -> None:
        self._mine: list[Row] = []
        self._legacys: list[Row] = []
        self._came: list[Row] = []  # of somebody's: legacy's, if it wrote them in a transaction of their own
        self._whole = True

    def add(self, row: Row, seen: Row) -> None:
        """A row of the new side's; `whole` says whether all is here that has come into the table since."""
        self._mine.append(row)
        self._whole = self._whole and bool(seen.get("whole", False))

    def add_other(self, other: Row) -> None:
        """A row that legacy's transaction wrote, or that came from anybody."""
        (self._legacys if other.get("known", False) else self._came).append(other)

    def pairs(self, known: _Known) -> Iterator[Pair]:
        """Each row with the one that is most like it, those that agree first; then what is left of either side."""
        for theirs, most in ((self._legacys, 0), (self._came, 0), (self._legacys, None)):
            yield from self._paired(theirs, most, known)
        if self._whole:
            yield from self._paired(self._came, HALF, known)
            for row in self._mine:
                yield row, {"row": None}
        for other in self._legacys:
            yield {"table": other["table"]}, other

    def _paired(self, theirs: list[Row], most: float | None, known: _Known) -> Iterator[Pair]:
        for row in list(self._mine):
            costs = [known.distance(row, other) for other in theirs]
            told = len(row["new"].keys() - row.get("generated", ()))
            if costs and (most is None or min(costs) <= most * told):
                self._mine.remove(row)
                yield row, theirs.pop(costs.index(min(costs)))


class _Known:
    """Tells two values of one column apart, knowing what the database drew for either side."""

    def __init__(self, written: Written, drawn: Drawn, legacys: Mapping[str, str]) -> None:
        self._drawn, self._legacys = drawn, legacys
        self._referred = {
            (row["table"], name, str(value)): str(seen["row"].get(name))
            for row, seen in zip(written.rows, written.seen, strict=False)
            if row["op"] == "insert" and seen.get("known", False) and seen.get("row") is not None
            for name in row.get("generated", ())
            if (value := (row.get("new") or {}).get(name)) is not None
        }

    def differences(self, row: Row, seen: Row) -> Iterator[Difference]:
        """Where a row differs from legacy's, or that only one of both is there."""
        place, wrote, left = _place(row), row.get("new"), seen.get("row")
        if wrote is not None and left is not None:
            for name in self._unequal(row, wrote, left):
                mine, theirs = wrote[name], left.get(name)
                kind = Kind.TYPE if (mine is None) is not (theirs is None) else Kind.VALUE
                yield Difference(kind, (*place, name), _exact(theirs), _exact(mine))
        elif wrote is not None:
            yield Difference(Kind.EXTRA, place, ABSENT, _exact(wrote))
        elif left is not None:
            yield Difference(Kind.MISSING, place, _exact(left), ABSENT)

    def distance(self, row: Row, other: Row) -> int:
        """In how many columns a row that was inserted differs from one of legacy's."""
        return sum(1 for _ in self._unequal(row, row["new"], other["row"]))

    def _unequal(self, row: Row, wrote: Row, left: Row) -> Iterator[str]:
        generated, refers = frozenset(row.get("generated", ())), row.get("refers", {})
        for name, mine in wrote.items():
            theirs = left.get(name)
            if same(_exact(mine), _exact(theirs)) or (name in generated and _drawn_alike(mine, theirs)):
                continue
            if name in refers and self._referred.get((*refers[name], str(mine))) == str(theirs):
                continue
            if self._legacys.get(str(mine)) != str(theirs) and not self._shows_alike(name, mine, theirs):
                yield name

    def _shows_alike(self, name: str, mine: Any, theirs: Any) -> bool:
        """Whether a document, such as an audit's copy of a row, differs in what was drawn for the row alone."""
        match mine, theirs:
            case dict(), dict():
                names = mine.keys() | theirs.keys()
                return mine.keys() == theirs.keys() and all(
                    self._is_alike(one, mine[one], theirs[one]) for one in names
                )
            case list(), list():
                return len(mine) == len(theirs) and all(
                    self._is_alike(name, *both) for both in zip(mine, theirs, strict=True)
                )
        return isinstance(mine, str) and not _are_moments(mine, theirs) and self._drawn.shows(name, theirs, mine)

    def _is_alike(self, name: str, mine: Any, theirs: Any) -> bool:
        if same(_exact(mine), _exact(theirs)) or self._shows_alike(name, mine, theirs):
            return True
        return self._drawn.shows(name, theirs, mine)


def _place(row: Row) -> tuple[str, str]:
    return "rows", str(row["table"]).removeprefix("public.")


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
        return _are_moments(mine, theirs)


def _are_moments(mine: object, theirs: object) -> bool:
    """Whether both are moments of one request."""
    if not isinstance(mine, str) or not isinstance(theirs, str):
        return False
    try:
        apart = datetime.fromisoformat(mine) - datetime.fromisoformat(theirs)
    except (ValueError, TypeError):
        return False
    return abs(apart.total_seconds()) <= MOMENTS_S
