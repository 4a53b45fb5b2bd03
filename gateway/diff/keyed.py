"""Pairs the elements of two arrays by what identifies them, wherever they stand. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Sequence
from itertools import islice

from gateway.diff.equality import canonical, same
from gateway.diff.pattern import Place
from gateway.diff.value import ABSENT, Absent, Found, Value

MAX_NAMES = 20  # of an element, that are tried when something has to identify it, those of ids first
MAX_LOOKED_AT = 200  # of which they are taken
SAMPLE = 50  # elements that show whether what identifies them does
SHORT = 3  # elements of an array within one, such as a point
MAX_WRAPS = 3  # objects within each other, below which nothing is tried
Pair = tuple[int | None, int | None]  # index on the control's side, on the candidate's; None: nothing there


def pair_by(
    control: Sequence[Value], candidate: Sequence[Value], by: tuple[Place, ...]
) -> tuple[list[Pair], list[int], list[int]]:
    """Pairs of elements with the same key, in the control's order, and the elements on each side without any.

    Elements with one key more than once are paired with their equals first, the others in the order in which they
    stand.
    """
    mine, own_without = _by_key(control, by)
    theirs, without = _by_key(candidate, by)
    pairs: list[Pair] = []
    left: list[int] = []
    for key, own in mine.items():
        others = theirs.pop(key, [])
        if len(own) == len(others) == 1:
            pairs.append((own[0], others[0]))
            continue
        equal, own, others = _equals(own, others, control, candidate)
        met = min(len(own), len(others))
        pairs += [*equal, *zip(own[:met], others[:met], strict=True), *((i, None) for i in own[met:])]
        left += others[met:]
    left += [j for others in theirs.values() for j in others]
    return [*sorted(pairs, key=_first), *((None, j) for j in sorted(left))], own_without, without


def _by_key(values: Sequence[Value], by: tuple[Place, ...]) -> tuple[dict[bytes, list[int]], list[int]]:
    """The indices of elements by their keys, and of those without one."""
    found: dict[bytes, list[int]] = {}
    without: list[int] = []
    for at, value in enumerate(values):
        key = _key(value, by)
        (without if key is None else found.setdefault(key, [])).append(at)
    return found, without


def _equals(
    mine: list[int], theirs: list[int], control: Sequence[Value], candidate: Sequence[Value]
) -> tuple[list[Pair], list[int], list[int]]:
    """Pairs of equal elements among these, and those of each side that are left."""
    waiting: dict[bytes, deque[int]] = defaultdict(deque)
    try:
        for j in theirs:
            waiting[canonical(candidate[j])].append(j)
        texts = [canonical(control[i]) for i in mine]
    except RecursionError:  # nested too deeply to be known by a text
        return [], mine, theirs
    pairs: list[Pair] = [(i, waiting[text].popleft()) for i, text in zip(mine, texts, strict=True) if waiting.get(text)]
    met = [{i for i, _ in pairs}, {j for _, j in pairs}]
    return pairs, [i for i in mine if i not in met[0]], [j for j in theirs if j not in met[1]]


def _first(pair: Pair) -> int:
    return -1 if pair[0] is None else pair[0]


def identifying(control: Sequence[Value], candidate: Sequence[Value]) -> Place | None:
    """The place whose value tells most elements apart and is known to both sides, such as id; None when none does.

    At least half of the shorter array must be known by it, and what it pairs must be more alike than what stands at the
    same position: a moment in every row may be another row's on the other side.
    """
    places = sorted(islice(_names(control[0]), MAX_LOOKED_AT), key=_is_no_id)[:MAX_NAMES] if control else []
    known = {place: len(_once(control, place) & _once(candidate, place)) for place in places}
    best = max(known, key=lambda place: known[place], default=None)
    if best is None or known[best] * 2 < min(len(control), len(candidate)):
        return None
    theirs = {_key(value, (best,)): value for value in candidate}
    keys = (_key(value, (best,)) for value in control[: len(candidate)])
    met = list(islice(((at, key) for at, key in enumerate(keys) if key is not None and key in theirs), SAMPLE))
    paired = sum(_shared(control[at], theirs[key], best) for at, key in met)
    return best if paired >= sum(_shared(control[at], candidate[at], best) for at, _ in met) else None


def _is_no_id(place: Place) -> bool:
    return not place[-1].lower().endswith("id")


def _shared(one: Value, other: Value, but: Place) -> int:
    """In how much of what is directly within them two elements agree, but for a place."""
    if isinstance(one, dict) and isinstance(other, dict):
        return sum(name in other and same(value, other[name]) for name, value in one.items() if name != but[0])
    if isinstance(one, list) and isinstance(other, list):
        pairs = enumerate(zip(one, other, strict=False))
        return sum(same(mine, theirs) for at, (mine, theirs) in pairs if str(at) != but[0])
    return 0


def _names(element: Value) -> Iterator[Place]:
    """The places of an element's scalars, those of an object or a short array within it too."""
    waiting: list[tuple[Place, Value]] = [((), element)]
    for above, value in waiting:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, child in items:
            place = (*above, str(name))
            if not isinstance(child, dict | list):
                yield place
            elif len(place) <= MAX_WRAPS and (isinstance(child, dict) or len(child) <= SHORT):
                waiting.append((place, child))


def _once(values: Sequence[Value], place: Place) -> set[bytes]:
    """The values at a place that only one element has."""
    keys = (_key(value, (place,)) for value in values)
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
        if isinstance(found, list) and name.isascii() and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            found = found.get(name, ABSENT) if isinstance(found, dict) else ABSENT
    return found
