"""Gives equal values one number and different values different ones, so that arrays compare in linear time.

What is looked up are texts on purpose: Python salts the hash of a text, while anyone can send a million
numbers that all hash alike.
"""

from __future__ import annotations

from itertools import count

from gateway.diff.equality import canonical
from gateway.diff.value import Value

MAX_BYTES = 64 * 1024 * 1024  # of texts in one comparison: arrays within arrays are read again at each level
Parted = dict[str, Value] | list[Value]


class Interner:
    """Numbers for the values of one comparison; past its budget each value gets a number of its own."""

    __slots__ = ("_left", "_next", "_numbers")

    def __init__(self) -> None:
        self._next = count().__next__
        self._numbers: dict[bytes, int] = {}
        self._left = MAX_BYTES

    def number(self, value: Value) -> int:
        """The value's number: the same for objects whatever the order of their keys."""
        if self._left <= 0:
            return self._next()
        try:
            text = canonical(value)
        except RecursionError:
            return self._next()
        self._left -= len(text)
        return self._numbers.setdefault(text, self._next())

    def parts(self, value: Parted) -> frozenset[str]:
        """One text per key, or place in an array, and value there; shared texts are what two of them agree on."""
        children = value.items() if isinstance(value, dict) else enumerate(value)
        return frozenset([f"{self.number(child)}:{key}" for key, child in children])
