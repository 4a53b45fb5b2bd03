"""By which columns and values legacy's row of a change is looked for. Pure.

Where each side's row has an id of its own, what is known of legacy's leads on: the id that its answer shows, and what
the database drew for a row of legacy's that is found already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.kit.capture import Change, Values
from services.kit.keys import Keys
from services.kit.told import Reference, drawn_for

Place = tuple[tuple[str, ...], Values]  # columns, and a row that has their values


class Learnt:
    """Legacy's values for the new side's: `shown` by both answers, or drawn for rows that are found."""

    def __init__(self, shown: Mapping[str, str]) -> None:
        self.shown = shown
        self._drawn: dict[tuple[str, str, str], Any] = {}

    def take(self, change: Change, keys: Keys, row: Values | None) -> None:
        """Learn what was drawn for legacy's row of this change."""
        if row is not None:
            for table, name, value in drawn_for(change, keys):
                self._drawn[table, name, value] = row.get(name)

    def drawn(self, reference: Reference, value: object) -> Any:
        """What legacy has where the new side has this value; None where nobody knows."""
        return self._drawn.get((*reference, str(value)))


def places(change: Change, keys: Keys, learnt: Learnt, refers: Mapping[str, Reference] | None = None) -> list[Place]:
    """Where legacy's row may be; nothing where no column leads to it."""
    values = change.attempted
    if change.old is not None:
        return [(keys.primary, values)] if keys.primary else []
    values = {**values, **{name: learnt.drawn(there, values[name]) for name, there in (refers or {}).items()}}
    found: list[Place] = [(columns, values) for columns in keys.others if _all_there(columns, values)]
    if keys.primary and _all_there(keys.primary, values):
        swapped = {name: learnt.shown.get(str(values[name]), values[name]) for name in keys.primary}
        drawn = keys.generated.issuperset(keys.primary) and all(swapped[name] == values[name] for name in keys.primary)
        if not drawn:  # an id that the database drew for the rehearsal is no row of legacy's
            found.append((keys.primary, swapped))
    return found


def left_at(change: Change, at: list[Place]) -> list[Place]:
    """Where a row may stand now: one whose key the new side has changed is looked for by that one first."""
    if change.old is None or change.new is None:
        return at
    new = change.new
    moved = [(columns, new) for columns, was in at if any(new[name] != was[name] for name in columns)]
    return moved + at


def _all_there(columns: tuple[str, ...], values: Mapping[str, Any]) -> bool:
    return all(values.get(name) is not None for name in columns)
