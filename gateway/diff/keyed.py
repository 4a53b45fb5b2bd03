"""Pairs the elements of two arrays by what identifies them, wherever they stand. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Sequence

from gateway.diff.equality import canonical
from gateway.diff.pattern import Place
from gateway.diff.value import ABSENT, Absent, Found, Value

MAX_NAMES = 20  # of an element, that are tried when something has to identify it
Pair = tuple[int | None, int | None]  # index on the control's side, on the candidate's; None: nothing there


def pair_by(
    control: Sequence[Value], candidate: Sequence[Value], by: tuple[Place, ...]
) -> tuple[list[Pair], list[int], list[int]]:
    """Pairs of elements with the same key, in the control's order, and the elements on each side without any.

    Elements with one key more than once are paired in the order in which they stand.
    """
    waiting: dict[bytes, deque[int]] = defaultdict(deque)
    without: list[int] = []
    for j, value in enumerate(candidate):
        key = _key(value, by)
        if key is None:
            without.append(j)
        else:
            waiting[key].append(j)
    pairs: list[Pair] = []
    own_without: list[int] = []
    for i, value in enumerate(control):
        key = _key(value, by)
        if key is None:
            own_without.append(i)
        else:
            pairs.append((i, waiting[key].popleft() if waiting.get(key) else None))
    pairs += [(None, j) for j in sorted(j for left in waiting.values() for j in left)]
    return pairs, own_without, without


def identifying(control: Sequence[Value], candidate: Sequence[Value]) -> str | None:
    """The name whose value tells most elements apart and is known to both sides, such as id; None when none does.

    At least half of the shorter array must be known by it.
    """
    first = control[0] if control else None
    names = list(first)[:MAX_NAMES] if isinstance(first, dict) else []
    known = {name: len(_once(control, name) & _once(candidate, name)) for name in names}
    best = max(known, key=lambda name: known[name], default=None)
    return best if best is not None and known[best] * 2 >= min(len(control), len(candidate)) else None


def _once(values: Sequence[Value], name: str) -> set[bytes]:
    """The values under a name that only one element has."""
    keys = (_key(value, ((name,),)) for value in values)
    return {key for key, count in Counter(keys).items() if key is not None and count == 1}


def _key(value: Value, by: tuple[Place, ...]) -> bytes | None:
    """What identifies an element; None when a part of it is not there or is no scalar."""
    found = [_at(value, place) for place in by]
    if any(part is None or isinstance(part, Absent | list | dict) for part in found):
        return None
    return canonical([part for part in found if not isinstance(part, Absent)])


def _at(value: Value, place: Place) -> Found:
    found: Found = value
    for name in place:
        found = found.get(name, ABSENT) if isinstance(found, dict) else ABSENT
    return found
