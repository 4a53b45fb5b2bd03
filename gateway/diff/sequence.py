"""Which elements of two arrays belong together: the fewest insertions, removals and replacements.

An element that is only partly different is paired with its like, so that one row more at the front of a
list is one difference although every row differs a little in a way that a rule allows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

from gateway.diff.equality import same
from gateway.diff.identity import Interner
from gateway.diff.keyed import Pair, pair_by
from gateway.diff.pattern import Place
from gateway.diff.value import Value

MAX_CELLS = 100_000  # of all tables of one comparison; beyond it elements are paired by anchors and position
_GAP = 10  # the cost of an insertion or a removal, and the most a replacement costs
_PAIRED, _ADDED, _REMOVED = range(3)  # the ways through a table
_LIKE = 5  # a replacement at most this dear is the same thing changed


@dataclass(frozen=True, slots=True)
class Alignment:
    """The pairs that differ, in order, and whether elements that are equal stand in another order."""

    pairs: tuple[Pair, ...]
    reordered: bool = False


class Aligner:
    """Aligns the arrays of one comparison and keeps count of what that costs."""

    __slots__ = ("_cells", "_interner")

    def __init__(self) -> None:
        self._interner = Interner()
        self._cells = MAX_CELLS

    def align(self, control: list[Value], candidate: list[Value], *, unordered: bool) -> Alignment:
        """Pair the elements of two arrays; equal ones are left out."""
        head = _common(control, candidate)
        one, other = (control[head:], candidate[head:]) if head else (control, candidate)
        tail = _common(one[::-1], other[::-1])
        if tail:
            one, other = one[: len(one) - tail], other[: len(other) - tail]
        if not one and not other:
            return Alignment(())
        aligned = self._align(one, other, unordered=unordered)
        if not head:
            return aligned
        shifted = ((None if i is None else i + head, None if j is None else j + head) for i, j in aligned.pairs)
        return Alignment(tuple(shifted), aligned.reordered)

    def align_by(self, control: list[Value], candidate: list[Value], by: tuple[Place, ...]) -> Alignment:
        """Pair the elements with the same keys; those without a key by their likeness among themselves."""
        keyed, mine, theirs = pair_by(control, candidate, by)
        rest = self.align([control[i] for i in mine], [candidate[j] for j in theirs], unordered=True)
        pairs = [(i, j) for i, j in keyed if i is None or j is None or not same(control[i], candidate[j])]
        pairs += [(None if i is None else mine[i], None if j is None else theirs[j]) for i, j in rest.pairs]
        met = [j for i, j in keyed if i is not None and j is not None]
        return Alignment(tuple(pairs), rest.reordered or met != sorted(met))

    def _align(self, control: list[Value], candidate: list[Value], *, unordered: bool) -> Alignment:
        if not control or not candidate or len(control) == len(candidate) == 1:
            return Alignment(tuple(zip_longest(range(len(control)), range(len(candidate)))))
        mine = [self._interner.number(value) for value in control]
        theirs = [self._interner.number(value) for value in candidate]
        if mine == theirs:
            return Alignment(())
        if len(mine) == len(theirs) and sorted(mine) == sorted(theirs):
            return Alignment((), reordered=True)
        sides = _Sides(control, candidate, mine, theirs)
        if unordered:
            return self._as_sets(sides)
        gaps = _gaps(mine, theirs, small=self._cells)
        return Alignment(tuple(pair for gap in gaps for pair in self._pairs(gap, sides)))

    def _pairs(self, gap: _Gap, sides: _Sides) -> list[Pair]:
        """The pairs of one gap: as they stand when each is like its partner, else by the fewest edits."""
        if len(gap.mine) == len(gap.theirs) == 1 or not gap.mine or not gap.theirs:
            return list(_by_position(gap))
        costs = _Costs(sides, self._interner)
        alike = len(gap.mine) == len(gap.theirs) and all(
            costs.of(i, j) <= _LIKE for i, j in zip(gap.mine, gap.theirs, strict=True)
        )
        if alike or not self._spend(gap.mine, gap.theirs, sides):
            return [(i, j) for i, j in _by_position(gap) if i is None or j is None or costs.of(i, j)]
        return _fewest_edits(gap, costs)

    def _as_sets(self, sides: _Sides) -> Alignment:
        """Equal elements leave in pairs, wherever they stand; of the rest each finds its like."""
        spare_mine, common_mine = _split(sides.mine, Counter(sides.theirs))
        spare_theirs, common_theirs = _split(sides.theirs, Counter(sides.mine))
        reordered = common_mine != common_theirs
        costs = _Costs(sides, self._interner)
        if not self._spend(spare_mine, spare_theirs, sides):
            return Alignment(tuple(zip_longest(spare_mine, spare_theirs)), reordered)
        pairs: list[Pair] = []
        for i in spare_mine:
            j = min(spare_theirs, key=partial(costs.of, i), default=None)
            if j is not None:
                spare_theirs.remove(j)
            pairs.append((i, j))
        pairs += [(None, j) for j in spare_theirs]
        return Alignment(tuple(pairs), reordered)

    def _spend(self, rows: Sequence[int], columns: Sequence[int], sides: _Sides) -> bool:
        """Whether a table of this size may still be made; wide objects make its cells dearer."""
        widest = max((len(value) for i in rows if isinstance(value := sides.control[i], dict)), default=0)
        cells = len(rows) * len(columns) * (1 + widest // 16)
        if cells > self._cells:
            return False
        self._cells -= cells
        return True


@dataclass(frozen=True, slots=True)
class _Gap:
    """A stretch of both arrays between elements that are equal."""

    mine: range
    theirs: range


@dataclass(frozen=True, slots=True)
class _Sides:
    control: list[Value]
    candidate: list[Value]
    mine: list[int]
    theirs: list[int]


class _Costs:
    """What it costs to take one element for another: 0 when equal, 10 when they share nothing."""

    __slots__ = ("_interner", "_parts", "_sides")

    def __init__(self, sides: _Sides, interner: Interner) -> None:
        self._sides = sides
        self._interner = interner
        self._parts: dict[int, frozenset[str]] = {}

    def of(self, i: int, j: int) -> int:
        sides = self._sides
        if sides.mine[i] == sides.theirs[j]:
            return 0
        one, other = sides.control[i], sides.candidate[j]
        if isinstance(one, dict) and isinstance(other, dict):
            mine, theirs = self._of(one, sides.mine[i]), self._of(other, sides.theirs[j])
            return _GAP - (_GAP - 2) * len(mine & theirs) // max(len(mine), len(theirs), 1)
        return _GAP - 1 if isinstance(one, list) and isinstance(other, list) else _GAP

    def _of(self, value: dict[str, Value], number: int) -> frozenset[str]:
        if number not in self._parts:
            self._parts[number] = self._interner.parts(value)
        return self._parts[number]


def _common(one: Sequence[Value], other: Sequence[Value]) -> int:
    """How many elements are equal from the beginning on.

    Python's own equality first: it is the fastest, and what it tells apart is different for certain.
    """
    try:
        alike = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
        alike = min(len(one), len(other)) if alike is None else alike
        if same(list(one[:alike]), list(other[:alike])):
            return alike
    except RecursionError:
        pass  # the next line takes one element at a time, of any depth
    pairs = zip(one, other, strict=False)
    return next((at for at, (mine, theirs) in enumerate(pairs) if not same(mine, theirs)), min(len(one), len(other)))


def _gaps(mine: list[int], theirs: list[int], *, small: int) -> Iterator[_Gap]:
    """The stretches that differ: after what begins and ends alike, and in a big one between anchors."""
    shortest = min(len(mine), len(theirs))
    head = next((at for at in range(shortest) if mine[at] != theirs[at]), shortest)
    tail = next((at for at in range(shortest - head) if mine[-1 - at] != theirs[-1 - at]), shortest - head)
    i, j, end_i, end_j = head, head, len(mine) - tail, len(theirs) - tail
    if (end_i - i) * (end_j - j) > small:
        for anchor_i, anchor_j in _anchors(mine, theirs, _Gap(range(i, end_i), range(j, end_j))):
            if i < anchor_i or j < anchor_j:
                yield _Gap(range(i, anchor_i), range(j, anchor_j))
            i, j = anchor_i + 1, anchor_j + 1
    yield _Gap(range(i, end_i), range(j, end_j))


def _anchors(mine: list[int], theirs: list[int], gap: _Gap) -> list[tuple[int, int]]:
    """Elements that occur once on each side, the most of them that stand in the same order (patience diff)."""
    once = {number for number, count in Counter(mine[i] for i in gap.mine).items() if count == 1}
    once &= {number for number, count in Counter(theirs[j] for j in gap.theirs).items() if count == 1}
    places = {theirs[j]: j for j in gap.theirs if theirs[j] in once}
    tails: list[int] = []  # of the increasing runs of each length, the one with the smallest end: that end,
    ends: list[tuple[int, int]] = []  # its last pair,
    before: dict[tuple[int, int], tuple[int, int]] = {}  # and which pair each came after
    for i in gap.mine:
        if mine[i] in places:
            j = places[mine[i]]
            length = bisect_left(tails, j)
            if length:
                before[i, j] = ends[length - 1]
            tails[length : length + 1] = [j]
            ends[length : length + 1] = [(i, j)]
    run = ends[-1:]
    while run and run[-1] in before:
        run.append(before[run[-1]])
    return run[::-1]


def _by_position(gap: _Gap) -> Iterator[Pair]:
    yield from zip_longest(gap.mine, gap.theirs)


def _split(numbers: list[int], partners: Counter[int]) -> tuple[list[int], list[int]]:
    """The indices of elements without a partner, and the numbers of those with one, both in order."""
    spare: list[int] = []
    common: list[int] = []
    for at, number in enumerate(numbers):
        if partners[number] > 0:
            partners[number] -= 1
            common.append(number)
        else:
            spare.append(at)
    return spare, common


def _fewest_edits(gap: _Gap, costs: _Costs) -> list[Pair]:
    """Levenshtein's table over one gap, and the way back through it; equal pairs are left out."""
    above = [_GAP * j for j in range(len(gap.theirs) + 1)]
    ways = [bytearray(b"\1" * len(above))]
    for i in gap.mine:
        row, way = [above[0] + _GAP], bytearray([_REMOVED])
        for at, j in enumerate(gap.theirs, 1):
            options = (above[at - 1] + costs.of(i, j), row[at - 1] + _GAP, above[at] + _GAP)
            row.append(min(options))
            way.append(options.index(row[at]))
        above = row
        ways.append(way)
    pairs: list[Pair] = []
    i, j = len(gap.mine), len(gap.theirs)
    while i or j:
        way_here = ways[i][j]
        i, j = i - (way_here != _ADDED), j - (way_here != _REMOVED)
        mine = None if way_here == _ADDED else gap.mine[i]
        theirs = None if way_here == _REMOVED else gap.theirs[j]
        if mine is None or theirs is None or costs.of(mine, theirs):
            pairs.append((mine, theirs))
    return pairs[::-1]
