"""Walks two values side by side and yields where they differ. What it is to treat in a special way it is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from gateway.diff.equality import same
from gateway.diff.keyed import Pair
from gateway.diff.pattern import Place
from gateway.diff.rules import Difference
from gateway.diff.sequence import Aligner, Alignment
from gateway.diff.value import ABSENT, Absent, Found, Value, sort_of
from gateway.diff.verdict import Kind

MAX_DEPTH = 100  # levels of a document; deeper ones are not compared to their end

_Step = tuple[Place, Found, Found]


class Guide(Protocol):
    """What a walk asks about a place."""

    def unordered(self, place: Place) -> bool:
        """Whether the order of the array there means nothing."""
        ...

    def keys(self, place: Place) -> tuple[Place, ...]:
        """By what the elements of the array there are paired; empty for by their likeness."""
        ...

    def whole(self, place: Place, control: Found, candidate: Found) -> bool:
        """Whether the two objects there are one difference, whatever differs within them."""
        ...


class Walk:
    """One walk. `too_deep` says, once it is over, that something lay deeper than it looks."""

    __slots__ = ("_aligner", "_guide", "too_deep")

    def __init__(self, guide: Guide) -> None:
        self._guide = guide
        self._aligner = Aligner()
        self.too_deep = False

    def differences(self, control: Value, candidate: Value) -> Iterator[Difference]:
        """Every difference, from the outside in; nothing below a place that is there on one side only."""
        stack: list[Iterator[_Step]] = [iter([(("body",), control, candidate)])]
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
                continue
            place, mine, theirs = step
            if isinstance(mine, dict) and isinstance(theirs, dict):
                if self._guide.whole(place, mine, theirs):
                    yield Difference(Kind.VALUE, place, mine, theirs)
                    continue
                inner = _members(place, mine, theirs)
            elif isinstance(mine, list) and isinstance(theirs, list):
                alignment = self._align(place, mine, theirs)
                if alignment.reordered:
                    yield Difference(Kind.ORDER, place, mine, theirs)
                inner = _elements(place, mine, theirs, alignment.pairs)
            else:
                kind = _kind(mine, theirs)
                if kind is not None:
                    yield Difference(kind, place, mine, theirs)
                continue
            if len(stack) > MAX_DEPTH:
                self.too_deep = True
            else:
                stack.append(inner)

    def _align(self, place: Place, mine: list[Value], theirs: list[Value]) -> Alignment:
        by = self._guide.keys(place)
        if by:
            return self._aligner.align_by(mine, theirs, by)
        return self._aligner.align(mine, theirs, unordered=self._guide.unordered(place))


def _kind(mine: Found, theirs: Found) -> Kind | None:
    """How two values differ that are not both objects or both arrays; None when they do not."""
    if isinstance(mine, Absent):
        return Kind.EXTRA
    if isinstance(theirs, Absent):
        return Kind.MISSING
    if sort_of(mine) is not sort_of(theirs):
        return Kind.TYPE
    return Kind.VALUE if mine != theirs else None


def _members(place: Place, mine: dict[str, Value], theirs: dict[str, Value]) -> Iterator[_Step]:
    """The members that differ."""
    for key, value in mine.items():
        other = theirs.get(key, ABSENT)
        if isinstance(other, Absent) or not same(value, other):
            yield (*place, key), value, other
    for key, value in theirs.items():
        if key not in mine:
            yield (*place, key), ABSENT, value


def _elements(place: Place, mine: list[Value], theirs: list[Value], pairs: tuple[Pair, ...]) -> Iterator[_Step]:
    """The pairs by the control's index, and by the candidate's where only that side has an element."""
    for i, j in pairs:
        one = ABSENT if i is None else mine[i]
        other = ABSENT if j is None else theirs[j]
        yield (*place, str(j if i is None else i)), one, other


def places(value: Value) -> Iterator[Place]:
    """Every place of a body, down to the depth a walk looks."""
    stack: list[Iterator[tuple[Place, Value]]] = [iter([(("body",), value)])]
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
            continue
        place, found = step
        yield place
        if len(stack) <= MAX_DEPTH and isinstance(found, dict | list):
            stack.append(_inside(place, found))


def _inside(place: Place, container: dict[str, Value] | list[Value]) -> Iterator[tuple[Place, Value]]:
    items = container.items() if isinstance(container, dict) else enumerate(container)
    for key, value in items:
        yield (*place, str(key)), value
