"""Gives equal values one number and different values different ones, so that arrays compare in linear time.

What is looked up are texts on purpose: Python salts the hash of a text, while anyone can send a million
numbers that all hash alike.
"""

from __future__ import annotations

from itertools import count

from gateway.diff.equality import canonical
from gateway.diff.value import Value

MAX_BYTES = 64 * 1024 * 1024  # of texts in one comparison: arrays within arrays are read again at each level
MAX_WRAPS = 3  # levels of objects within an object that it is known by
MAX_PARTS = 128  # texts that an object is known by, before what is within it goes as a whole
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
        """One text per key, or place in an array, and value there; shared texts are what two of them agree on.

        Objects within are taken apart too, as far as there are few: many an answer wraps its rows.
        """
        texts: list[str] = []
        waiting: list[tuple[str, int, Parted]] = [("", 0, value)]
        for prefix, depth, container in waiting:
            children = container.items() if isinstance(container, dict) else enumerate(container)
            for key, child in children:
                if isinstance(child, dict) and depth < MAX_WRAPS and 0 < len(child) <= MAX_PARTS - len(texts):
                    waiting.append((f"{prefix}{key}/", depth + 1, child))
                else:
                    texts.append(f"{self.number(child)}:{prefix}{key}")
        return frozenset(texts)
