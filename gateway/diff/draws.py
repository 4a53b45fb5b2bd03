"""Arrays that legacy draws anew with each answer: what two draws have in common by chance says nothing of a third.

Pure. It takes the differences of legacy's own two answers, and reads the bodies only when it is asked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Final

from gateway.diff.cluster import ANY, level
from gateway.diff.looks import looks_like
from gateway.diff.pattern import Place
from gateway.diff.rules import Difference
from gateway.diff.standing import Standing
from gateway.diff.value import ABSENT, Absent, Found, sort_of
from gateway.diff.verdict import Kind

_FEWEST: Final = 2  # elements that must have changed before an array is held to be drawn
_SHARE: Final = 3  # and one of so many
_ROW: Final = (2, 3)  # of the fields of its rows, so many of so many must be drawn

_DIGITS: Final = 9  # of a position

_Column = tuple[Place, Place]  # an array, and a place below each of its elements; none for the elements themselves


class Draws:
    """What legacy's two answers draw; `bodies` reads legacy's first, its second and new's."""

    def __init__(self, bodies: Callable[[], tuple[Found, Found, Found]], standing: Standing) -> None:
        self._read = bodies
        self._standing = standing
        self._own: list[Difference] = []
        self._anew: dict[Place, bool] = {}  # what has been found out, once each
        self._shapes: dict[_Column, set[object]] = {}
        self._known: dict[Place, set[object]] = {}

    def take(self, difference: Difference) -> None:
        """Note one difference between legacy's first answer and its second."""
        if len(difference.place) > 1 and difference.kind is not Kind.ORDER:
            self._own.append(difference)

    def excuses(self, difference: Difference) -> bool:
        """Whether the difference lies where every answer is another draw."""
        match difference.kind:
            case Kind.VALUE | Kind.TYPE:
                return any(self._could_be_drawn(difference, column) for column in _columns(difference.place))
            case Kind.MISSING | Kind.EXTRA:
                return self._could_be_another(difference)
        return False

    def changes_size(self, place: Place) -> bool:
        """Whether new has more or fewer things there, none of which has a name, while legacy keeps their number."""
        if not self._own or len(place) < 2 or level(place[-1]) != ANY:
            return False
        first, second, new = (_size(_at(body, place[:-1])) for body in self._bodies)
        return first == second != new

    def _could_be_drawn(self, difference: Difference, column: _Column) -> bool:
        own, candidate = self._by_column.get(column), difference.candidate
        if not own or not (self._is_drawn(column) or self._is_drawn_anew(column[0])):
            return False
        if difference.kind is Kind.VALUE:
            return looks_like(candidate, own[0].control, own[0].candidate, self._standing)
        if column not in self._shapes:
            self._shapes[column] = {shape(found) for one in own for found in (one.control, one.candidate)}
        return shape(candidate) in self._shapes[column]

    def _could_be_another(self, difference: Difference) -> bool:
        place = difference.place[:-1]
        if not self._own or not self._is_drawn_anew(place):
            return False
        if place not in self._known:
            drawn = (_at(body, place) for body in self._bodies[:2])
            self._known[place] = {shape(one) for side in drawn if isinstance(side, list) for one in side}
        found = difference.control if difference.kind is Kind.MISSING else difference.candidate
        return shape(found) in self._known[place]

    def _is_drawn_anew(self, place: Place) -> bool:
        """Whether the array's elements are others each time, and not the same ones with a field that changes."""
        if place not in self._anew:
            elements = _at(self._bodies[0], place)
            row = elements[0] if isinstance(elements, list) and elements else None
            fields = _scalars(row)
            drawn = sum(self._is_drawn((place, (name,))) for name in fields)
            rows = bool(fields) and drawn * _ROW[1] >= len(fields) * _ROW[0]
            self._anew[place] = isinstance(elements, list) and (rows or self._is_drawn((place, ())))
        return self._anew[place]

    def _is_drawn(self, column: _Column) -> bool:
        own = self._by_column.get(column, ())
        elements = _at(self._bodies[0], column[0]) if len(own) >= _FEWEST else ABSENT
        return isinstance(elements, list) and len(own) * _SHARE >= len(elements)

    @cached_property
    def _bodies(self) -> tuple[Found, Found, Found]:
        return self._read()

    @cached_property
    def _by_column(self) -> dict[_Column, list[Difference]]:
        found: dict[_Column, list[Difference]] = defaultdict(list)
        for difference in self._own:
            for column in _columns(difference.place):
                found[column].append(difference)
        return dict(found)


def _columns(place: Place) -> Iterator[_Column]:
    """Every way to see a place as one below an element of an array; the innermost first."""
    return ((place[:at], place[at + 1 :]) for at in range(len(place) - 1, 0, -1) if place[at].isdigit())


def _scalars(row: Found) -> list[str]:
    return [name for name, value in row.items() if not isinstance(value, dict | list)] if isinstance(row, dict) else []


def shape(value: Found) -> object:
    """What another value may have in common with this one: the names of its fields, or its sort."""
    if isinstance(value, dict):
        return frozenset(value)
    return value if isinstance(value, Absent) else sort_of(value)


def _at(body: Found, place: Place) -> Found:
    found = body
    for name in place[1:]:
        if isinstance(found, list):
            found = (
                found[int(name)] if name.isascii() and name.isdigit() and int(name[:_DIGITS]) < len(found) else ABSENT
            )
        else:
            found = found.get(name, ABSENT) if isinstance(found, dict) else ABSENT
    return found


def _size(value: Found) -> int | None:
    return len(value) if isinstance(value, dict | list) else None
