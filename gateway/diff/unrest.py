"""Where legacy disagrees with itself, and whether that excuses a difference of the candidate's. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from gateway.diff.cluster import level
from gateway.diff.draws import Draws, shape
from gateway.diff.keyed import Pair
from gateway.diff.looks import looks_like
from gateway.diff.pattern import Place
from gateway.diff.rules import Difference
from gateway.diff.sequence import Aligner
from gateway.diff.standing import Standing
from gateway.diff.value import Absent, Found, Value
from gateway.diff.verdict import Kind

_WHOLE: Final = frozenset({Kind.TYPE, Kind.VALUE})  # a difference that takes in everything below its place
_HOST: Final = re.compile(r"https?://[^/?#<>\s,;\"]*", re.IGNORECASE)


class Unrest:
    """The differences of legacy's two answers, by place; `bodies` reads legacy's first, its second and new's."""

    def __init__(self, bodies: Callable[[], tuple[Found, Found, Found]]) -> None:
        self._standing = Standing()
        self._draws = Draws(bodies, self._standing)
        self._by_place: dict[Place, Difference] = {}
        self._shuffled: set[Place] = set()
        self._extras: dict[Place, list[Found]] = defaultdict(list)

    def take(self, difference: Difference) -> None:
        """Note one difference between legacy's first answer (`control`) and its second (`candidate`)."""
        self._draws.take(difference)
        match difference.kind:
            case Kind.ORDER:
                self._shuffled.add(difference.place)
            case Kind.EXTRA:
                self._extras[_among(difference.place)].append(difference.candidate)
            case _:
                self._by_place[difference.place] = difference

    def shuffles(self, place: Place) -> bool:
        """Whether legacy gave the array at this place in two orders."""
        return place in self._shuffled

    def excuses(self, difference: Difference) -> bool:
        """Whether a difference between legacy's first answer and new's is legacy's own; asked once for each."""
        place = difference.place
        if difference.kind is Kind.ORDER:
            return self.shuffles(place)
        if difference.kind in (Kind.EXTRA, Kind.MISSING) and self._draws.changes_size(place):
            return False
        if difference.kind is Kind.EXTRA:
            return self._takes_extra(difference) or self._draws.excuses(difference)
        if any(self._is_whole(place[:length]) for length in range(1, len(place))):
            return True
        own = self._by_place.get(place)
        return (own is not None and _is_like(difference, own, self._standing)) or self._draws.excuses(difference)

    def _is_whole(self, place: Place) -> bool:
        own = self._by_place.get(place)
        return own is not None and own.kind in _WHOLE

    def _takes_extra(self, difference: Difference) -> bool:
        """One element more is excused by one that legacy has more, with the same keys; each excuses one."""
        own = self._extras.get(_among(difference.place), [])
        for at, value in enumerate(own):
            if shape(value) == shape(difference.candidate):
                del own[at]
                return True
        return False


def _among(place: Place) -> Place:
    """The place without its position or id: what came beside others may stand anywhere among them."""
    return (*place[:-1], level(place[-1]))


def _is_like(difference: Difference, own: Difference, standing: Standing) -> bool:
    """Whether new differs from legacy as legacy does from itself."""
    control, again, candidate = own.control, own.candidate, difference.candidate
    match difference.kind:
        case Kind.STATUS:
            return candidate == again  # a status is not measured: new must give one of legacy's
        case Kind.TYPE:
            return own.kind is Kind.TYPE and shape(again) == shape(candidate)
        case Kind.VALUE if difference.place == ("body",) and isinstance(control, str):
            return _lines_are_like(control, again, candidate, standing)
        case Kind.HEADER if Absent not in (type(control), type(again)):
            new, mine, second = map(_without_host, (candidate, control, again))
            return isinstance(candidate, str) and looks_like(new, mine, second, standing)
        case Kind.VALUE:
            return own.kind is Kind.TYPE or (own.kind is Kind.VALUE and looks_like(candidate, control, again, standing))
        case Kind.SIZE:
            return own.kind in (Kind.SIZE, Kind.VALUE)
        case _:
            return own.kind is difference.kind


def _lines_are_like(control: Found, again: Found, candidate: Found, standing: Standing) -> bool:
    """Whether a text differs from legacy's only in lines in which legacy's own two texts do."""
    if not (isinstance(control, str) and isinstance(again, str) and isinstance(candidate, str)):
        return False
    mine, second, new = (text.split("\n") for text in (control, again, candidate))
    if len(mine) == len(second) != len(new):
        return False  # every line may change, and still none has come or gone
    own, others = _lines(mine, second), _lines(mine, new)
    if own is None or others is None or not others.keys() <= own.keys():
        return False
    for line, j in others.items():
        i, k = line[0], own[line]
        if i is not None and j is not None and k is not None and not standing.keeps(new[j], mine[i], second[k]):
            return False
    return True


def _lines(one: list[str], other: list[str]) -> dict[Pair, int | None] | None:
    """The other text's number of each line that differs, those only it has by that number; None when lines moved."""
    alignment = Aligner().align(list[Value](one), list[Value](other), unordered=False)
    if alignment.reordered:
        return None
    return {(i, j if i is None else None): j for i, j in alignment.pairs}


def _without_host(text: object) -> str:
    """A header without the names that the sides answer under."""
    return _HOST.sub("", str(text))
