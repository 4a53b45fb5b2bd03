"""Which elements of two arrays belong together: the fewest insertions, removals and replacements.

An element that is only partly different is paired with its like, so that one row more at the front of a
list is one difference although every row differs a little in a way that a rule allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest

from gateway.diff.edits import WORST, Costs, Gap, Sides, by_position, fewest_edits, gaps_between
from gateway.diff.equality import same
from gateway.diff.identity import Interner
from gateway.diff.keyed import Pair, identifying, pair_by
from gateway.diff.pattern import Place
from gateway.diff.value import Value

MAX_CELLS = 100_000  # of all tables of one comparison; beyond it elements are paired by anchors and position


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
        as_they_stand = None if unordered else self._as_they_stand(control, candidate)
        if as_they_stand is not None:
            return as_they_stand
        mine = [self._interner.number(value) for value in control]
        theirs = [self._interner.number(value) for value in candidate]
        if mine == theirs:
            return Alignment(())
        if len(mine) == len(theirs) and sorted(mine) == sorted(theirs):
            return Alignment((), reordered=True)
        sides = Sides(control, candidate, mine, theirs)
        if _cells(range(len(mine)), theirs, sides) > self._cells and _mostly_differ(mine, theirs):
            place = identifying(control, candidate)
            if place is not None:
                return self.align_by(control, candidate, (place,))
        if unordered:
            return self._as_sets(sides)
        gaps = gaps_between(mine, theirs, small=self._cells)
        return Alignment(tuple(pair for gap in gaps for pair in self._pairs(gap, sides)))

    def _as_they_stand(self, control: list[Value], candidate: list[Value]) -> Alignment | None:
        """The alignment when few elements differ and each is like the one in its place; the usual case, found fast."""
        if len(control) != len(candidate):
            return None
        try:
            differing = [at for at, (one, other) in enumerate(zip(control, candidate, strict=True)) if one != other]
        except RecursionError:
            return None
        if len(differing) > len(control) // 2 or not _alike_elsewhere(control, candidate, differing):
            return None
        one, other = [control[at] for at in differing], [candidate[at] for at in differing]
        mine, theirs = ([self._interner.number(value) for value in side] for side in (one, other))
        if sorted(mine) == sorted(theirs):
            return Alignment((), reordered=True)
        costs = Costs(Sides(one, other, mine, theirs), self._interner)
        if not all(costs.alike(at, at) for at in range(len(differing))):
            return None
        return Alignment(tuple((at, at) for at in differing))

    def _pairs(self, gap: Gap, sides: Sides) -> list[Pair]:
        """The pairs of one gap: as they stand when each is like its partner, else by the fewest edits."""
        if len(gap.mine) == len(gap.theirs) == 1 or not gap.mine or not gap.theirs:
            return list(by_position(gap))
        costs = Costs(sides, self._interner)
        alike = len(gap.mine) == len(gap.theirs) and all(
            costs.alike(i, j) for i, j in zip(gap.mine, gap.theirs, strict=True)
        )
        if alike or not self._spend(gap.mine, gap.theirs, sides):
            one, other = sides.mine, sides.theirs
            return [(i, j) for i, j in by_position(gap) if i is None or j is None or one[i] != other[j]]
        return fewest_edits(gap, costs)

    def _as_sets(self, sides: Sides) -> Alignment:
        """Equal elements leave in pairs, wherever they stand; of the rest each finds its like."""
        spare_mine, common_mine = _split(sides.mine, Counter(sides.theirs))
        spare_theirs, common_theirs = _split(sides.theirs, Counter(sides.mine))
        reordered = common_mine != common_theirs
        costs = Costs(sides, self._interner)
        if not self._spend(spare_mine, spare_theirs, sides):
            return Alignment(tuple(zip_longest(spare_mine, spare_theirs)), reordered)
        pairs: list[Pair] = []
        for i in spare_mine:
            j = min(spare_theirs, key=partial(costs.of, i), default=None)
            if j is not None:
                spare_theirs.remove(j)
            pairs.append((i, j))
        # what is partly the same counts for the order as well: rows may differ by a field and stand elsewhere
        met = [j for i, j in pairs if i is not None and j is not None and costs.of(i, j) < WORST]
        pairs += [(None, j) for j in spare_theirs]
        return Alignment(tuple(pairs), reordered or met != sorted(met))

    def _spend(self, rows: Sequence[int], columns: Sequence[int], sides: Sides) -> bool:
        """Whether a table of this size may still be made."""
        cells = _cells(rows, columns, sides)
        if cells > self._cells:
            return False
        self._cells -= cells
        return True


def _cells(rows: Sequence[int], columns: Sequence[int], sides: Sides) -> int:
    """What a table costs; wide objects make its cells dearer."""
    widest = max((len(value) for i in rows if isinstance(value := sides.control[i], dict)), default=0)
    return len(rows) * len(columns) * (1 + widest // 16)


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


def _mostly_differ(mine: list[int], theirs: list[int]) -> bool:
    """Whether fewer than half of the elements of the shorter array are equal to one of the other."""
    return 2 * len(set(mine) & set(theirs)) < min(len(mine), len(theirs))


def _alike_elsewhere(control: list[Value], candidate: list[Value], differing: list[int]) -> bool:
    """Whether elements that Python calls equal are: true is no 1."""
    apart = set(differing)
    rest = [at for at in range(len(control)) if at not in apart]
    return same([control[at] for at in rest], [candidate[at] for at in rest])


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
