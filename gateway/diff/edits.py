"""What it costs to make one array of another: the stretches in which they differ, and the fewest edits of one. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeGuard

from gateway.diff.equality import same
from gateway.diff.identity import Interner, Parted
from gateway.diff.keyed import Pair
from gateway.diff.value import Value

WORST = 10  # the cost of an insertion or a removal, and the most a replacement costs
_PAIRED, _ADDED, _REMOVED = range(3)  # the ways through a table
MAX_ROW = 100  # cells of a row that is an array, such as a point of a chart; a longer one is no row
LIKE = 5  # a replacement at most this dear is the same thing changed


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of both arrays between elements that are equal."""

    mine: range
    theirs: range


@dataclass(frozen=True, slots=True)
class Sides:
    control: list[Value]
    candidate: list[Value]
    mine: list[int]
    theirs: list[int]


class Costs:
    """What it costs to take one element for another: 0 when equal, 10 when they share nothing."""

    __slots__ = ("_interner", "_parts", "_sides")

    def __init__(self, sides: Sides, interner: Interner) -> None:
        self._sides = sides
        self._interner = interner
        self._parts: dict[int, frozenset[str]] = {}

    def of(self, i: int, j: int) -> int:
        sides = self._sides
        if sides.mine[i] == sides.theirs[j]:
            return 0
        one, other = sides.control[i], sides.candidate[j]
        if isinstance(one, dict) and isinstance(other, dict):
            return self._apart(one, other, i, j)
        if isinstance(one, list) and isinstance(other, list):
            is_row = len(one) <= MAX_ROW and len(other) <= MAX_ROW
            return min(self._apart(one, other, i, j), WORST - 1) if is_row else WORST - 1
        return WORST

    def alike(self, i: int, j: int) -> bool:
        """Whether one is the other, changed a little. Flat objects, which most rows are, are not taken apart for it."""
        sides = self._sides
        one, other = sides.control[i], sides.candidate[j]
        if sides.mine[i] == sides.theirs[j]:
            return True
        if not (_is_flat(one) and _is_flat(other)):
            return self.of(i, j) <= LIKE
        shared = sum(key in other and same(value, other[key]) for key, value in one.items())
        return _dissimilar(shared, len(one), len(other)) <= LIKE

    def _apart(self, one: Parted, other: Parted, i: int, j: int) -> int:
        mine, theirs = self._of(one, self._sides.mine[i]), self._of(other, self._sides.theirs[j])
        return _dissimilar(len(mine & theirs), len(mine), len(theirs))

    def _of(self, value: Parted, number: int) -> frozenset[str]:
        if number not in self._parts:
            self._parts[number] = self._interner.parts(value)
        return self._parts[number]


def _is_flat(value: Value) -> TypeGuard[dict[str, Value]]:
    """Whether it is an object with none within it."""
    return isinstance(value, dict) and dict not in map(type, value.values())


def _dissimilar(shared: int, one: int, other: int) -> int:
    """What it costs to replace something of so many parts by something of so many others."""
    return WORST - (WORST - 2) * shared // max(one, other, 1)


def gaps_between(mine: list[int], theirs: list[int], *, small: int) -> Iterator[Gap]:
    """The stretches that differ: after what begins and ends alike, and in a big one between anchors."""
    shortest = min(len(mine), len(theirs))
    head = next((at for at in range(shortest) if mine[at] != theirs[at]), shortest)
    tail = next((at for at in range(shortest - head) if mine[-1 - at] != theirs[-1 - at]), shortest - head)
    i, j, end_i, end_j = head, head, len(mine) - tail, len(theirs) - tail
    if (end_i - i) * (end_j - j) > small:
        for anchor_i, anchor_j in _anchors(mine, theirs, Gap(range(i, end_i), range(j, end_j))):
            if i < anchor_i or j < anchor_j:
                yield Gap(range(i, anchor_i), range(j, anchor_j))
            i, j = anchor_i + 1, anchor_j + 1
    yield Gap(range(i, end_i), range(j, end_j))


def _anchors(mine: list[int], theirs: list[int], gap: Gap) -> list[tuple[int, int]]:
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


def by_position(gap: Gap) -> Iterator[Pair]:
    yield from zip_longest(gap.mine, gap.theirs)


def fewest_edits(gap: Gap, costs: Costs) -> list[Pair]:
    """Levenshtein's table over one gap, and the way back through it; equal pairs are left out."""
    above = [WORST * j for j in range(len(gap.theirs) + 1)]
    ways = [bytearray(b"\1" * len(above))]
    for i in gap.mine:
        row, way = [above[0] + WORST], bytearray([_REMOVED])
        for at, j in enumerate(gap.theirs, 1):
            options = (above[at - 1] + costs.of(i, j), row[at - 1] + WORST, above[at] + WORST)
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
