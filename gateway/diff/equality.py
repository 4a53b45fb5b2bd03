"""Whether two values are equal as JSON: numbers by value, objects whatever the order of their keys.

In Python true is 1 and false is 0, so what it calls equal is looked at once more, by the text of both.
"""

from __future__ import annotations

import json
from typing import Final

import msgspec

from gateway.diff.value import Value, sort_of


def canonical(value: Value) -> bytes:
    """The same bytes for equal values as they are read from JSON, and others for any other value.

    Raises RecursionError for what is nested too deeply.
    """
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON allows as an escape
        return json.dumps(value, sort_keys=True, default=_spelled).encode()


def _spelled(number: object) -> dict[str, str]:
    return {"\ud800number": str(number)}


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")


def same(control: Value, candidate: Value) -> bool:
    """Whether two values are equal as JSON."""
    sort = type(control)
    if sort is type(candidate) and sort is not dict and sort is not list:
        return control == candidate
    if not isinstance(control, list | dict):
        return sort_of(control) is sort_of(candidate) and control == candidate
    try:
        return control == candidate and (canonical(control) == canonical(candidate) or _same(control, candidate))
    except RecursionError:
        return _same(control, candidate)


def _same(control: Value, candidate: Value) -> bool:
    """As `same`, for values of any depth, and for numbers in other forms than `document` gives them."""
    pairs = [(control, candidate)]
    while pairs:
        mine, theirs = pairs.pop()
        if sort_of(mine) is not sort_of(theirs):
            return False
        if isinstance(mine, list) and isinstance(theirs, list):
            if len(mine) != len(theirs):
                return False
            pairs.extend(zip(mine, theirs, strict=True))
        elif isinstance(mine, dict) and isinstance(theirs, dict):
            if mine.keys() != theirs.keys():
                return False
            pairs.extend([(inner, theirs[key]) for key, inner in mine.items()])
        elif mine != theirs:
            return False
    return True
