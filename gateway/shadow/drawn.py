"""Do two answers to a write differ only in what the database drew for each side's row: ids, numbers, the moment? Pure.

Both values must be those of the rows: an answer that shows another id than its row has differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from gateway.diff.looks import has_form
from gateway.diff.readers import moment
from gateway.diff.rules import Difference
from gateway.diff.verdict import Kind

Draw = tuple[str, Any, Any]  # the column, what the new side's row has there, what legacy's has

_BETWEEN: Final = re.compile(r"([^0-9A-Za-z-]+)")
_NO_LETTER: Final = re.compile(r"[^0-9a-z]+")
_SECOND_MS: Final = 1_000  # an answer may show whole seconds


class Drawn:
    """What the database drew for the rows of one write."""

    def __init__(self, draws: Iterable[Draw]) -> None:
        self._ids: dict[str, str] = {}
        self._numbers: dict[str, dict[str, str]] = {}  # of sequences, by their columns
        self._moments: set[tuple[int, int]] = set()
        for column, mine, theirs in draws:
            if isinstance(mine, int):
                self._numbers.setdefault(_plain(column), {})[str(mine)] = str(theirs)
            elif (at := moment(mine)) is not None and (their_at := moment(theirs)) is not None:
                self._moments.add((at, their_at))
            else:
                self._ids[str(mine)] = str(theirs)

    def explains(self, difference: Difference) -> bool:
        """Whether each answer shows what its own row has."""
        if difference.kind not in (Kind.VALUE, Kind.HEADER) or difference.place[0] not in ("body", "header"):
            return False
        return self.shows(str(difference.place[-1]), difference.control, difference.candidate)

    def shows(self, name: str, control: object, candidate: object) -> bool:
        """Whether each side's value under this name shows what its own row has."""
        numbers = self._numbers_at(name)
        if isinstance(control, int) and isinstance(candidate, int):
            return numbers.get(str(candidate)) == str(control)
        if not isinstance(control, str) or not isinstance(candidate, str):
            return False
        if has_form(candidate, control, control) is False:
            return False
        return self._is_moment(candidate, control) or self._as_legacys(candidate, numbers) == control

    def _numbers_at(self, name: str) -> dict[str, str]:
        """The numbers of the column that a field is named after: small ones are too alike to go by their values."""
        plain = _plain(name)
        return next((drawn for column, drawn in self._numbers.items() if plain.endswith(column)), {})

    def _is_moment(self, candidate: str, control: str) -> bool:
        mine, theirs = moment(candidate), moment(control)
        if mine is None or theirs is None:
            return False
        return any(
            abs(mine - at) < _SECOND_MS and abs(theirs - their_at) < _SECOND_MS for at, their_at in self._moments
        )

    def _as_legacys(self, candidate: str, numbers: dict[str, str]) -> str:
        """The text with legacy's ids in place of new's; numbers in a field of theirs, or as a segment of a path."""
        known = self._ids | numbers
        if "/" in candidate:
            known = {key: value for drawn in self._numbers.values() for key, value in drawn.items()} | known
        return "".join(known.get(part, part) for part in _BETWEEN.split(candidate))


def _plain(name: str) -> str:
    return _NO_LETTER.sub("", name.lower())
