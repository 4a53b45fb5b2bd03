"""Gives equal values one number and different values different ones, so that arrays compare in linear time.

Keys are texts on purpose: Python salts the hash of a text, while anyone can send a million numbers or
tuples of numbers that all hash alike.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import count

from gateway.diff.value import Value


class Interner:
    """Numbers for the values of one comparison; containers are looked at once, whoever asks again.

    The values must outlive the interner: containers are remembered by where they are in memory.
    """

    __slots__ = ("_containers", "_next", "_numbers", "_texts")

    def __init__(self) -> None:
        self._next = count().__next__
        self._texts: dict[str, int] = {}
        self._numbers: dict[str, int] = {}  # of everything else, each kind with a letter in front
        self._containers: dict[int, int] = {}

    def number(self, value: Value) -> int:
        """The value's number: the same for 1 and 1.0, and for objects whatever the order of their keys."""
        if not isinstance(value, list | dict):
            return self._scalar(value)
        stack: list[list[Value] | dict[str, Value]] = [value]
        while stack:
            container = stack[-1]
            if id(container) in self._containers:
                stack.pop()
                continue
            children = container.values() if isinstance(container, dict) else container
            waiting = [
                child for child in children if isinstance(child, list | dict) and id(child) not in self._containers
            ]
            if waiting:
                stack.extend(waiting)
            else:
                self._containers[id(container)] = self._container(container)
                stack.pop()
        return self._containers[id(value)]

    def parts(self, value: dict[str, Value]) -> frozenset[str]:
        """One text per key and value of an object; shared texts are what two objects agree on."""
        return frozenset(f"{self._text(key)}:{self._known(child)}" for key, child in value.items())

    def _known(self, value: Value) -> int:
        if isinstance(value, list | dict):
            return self._containers[id(value)]
        return self._scalar(value)

    def _container(self, container: list[Value] | dict[str, Value]) -> int:
        if isinstance(container, list):
            return self._number("[" + ",".join(str(self._known(child)) for child in container))
        return self._number("{" + ",".join(sorted(self.parts(container))))

    def _scalar(self, value: bool | int | Decimal | str | None) -> int:
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool):
            return self._number(repr(value))
        return self._number("n" + _exact(value))

    def _text(self, text: str) -> int:
        return self._texts.setdefault(text, self._next())

    def _number(self, key: str) -> int:
        return self._numbers.setdefault(key, self._next())


def _exact(number: int | Decimal) -> str:
    """One text per numeric value: digits without trailing zeros, and the exponent."""
    if isinstance(number, int):
        digits, exponent = str(abs(number)), 0
    else:
        figures = number.as_tuple()
        digits, exponent = "".join(map(str, figures.digits)).lstrip("0"), int(figures.exponent)
    stripped = digits.rstrip("0")
    if not stripped:
        return "0"
    return f"{'-' if number < 0 else ''}{stripped}e{exponent + len(digits) - len(stripped)}"
