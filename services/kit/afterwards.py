"""The look at what legacy did after a rehearsal: its rows now, and how often each has changed since.

The first question is asked in the rehearsal's own snapshot, where an old row names who replaced it (ADR 0016).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import starmap, zip_longest
from typing import Any, Final

from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.capture import Change
from services.kit.guard import permitted
from services.kit.keys import Keys, KnownKeys, Version, version
from services.kit.others import beyond, made_by, shown_by

_GONE: Final = (OperationalError, InterfaceError, InternalError)  # what the first to use the connection is told

Seen = dict[str, Any]
Place = tuple[tuple[str, ...], Mapping[str, Any]]  # columns, and a row that has their values


class Afterwards:
    """What the gateway is given: one look at the rows, once legacy has answered, or none."""

    def __init__(
        self, connection: AsyncConnection, changes: list[Change], keys: KnownKeys, held: AsyncExitStack
    ) -> None:
        self._connection, self._changes, self._keys, self._held = connection, changes, keys, held
        self._over = False

    async def look(self, swaps: Sequence[tuple[str, str]]) -> list[Seen]:
        """For each row: `changes` (0, 1, 2 for more) since the rehearsal saw it, and `row`, its values now.

        `swaps` are pairs of values that stand at the same place of new's and of legacy's answer: legacy's row may have
        legacy's id. Behind these stand the rows that only legacy's transaction wrote, with their `table`.
        """
        legacys = dict(swaps)
        found = [_places(change, self._keys[change.table], legacys) for change in self._changes]
        try:
            with permitted():
                # an insert that succeeded has found nobody in its place
                asked = zip(self._changes, found, strict=True)
                before = await self._versions([[] if one.op == "insert" else places for one, places in asked])
                known = await shown_by(self._connection, self._keys, legacys.values())
                await self._connection.rollback()  # the next statement sees what there is now
                after = list(
                    map(_one_row, self._changes, await self._versions(list(map(_left_at, self._changes, found))))
                )
                changes = [
                    max(starmap(_changes, zip_longest(*pair)), default=0) for pair in zip(before, after, strict=True)
                ]
                others = await self._others(found, after, changes, known, legacys)
        except _GONE as error:  # legacy took longer than PostgreSQL keeps a snapshot for nobody
            raise TimeoutError("the rehearsal's snapshot is gone") from error
        finally:
            await self.release()
        seen = [
            {"changes": count, "row": _values(new), "known": bool(places)}
            for places, count, new in zip(found, changes, after, strict=True)
        ]
        return seen + others

    async def _others(
        self,
        places: list[list[Place]],
        after: Sequence[Sequence[Version | None]],
        changes: Sequence[int],
        known: Mapping[str, str],
        legacys: Mapping[str, str],
    ) -> list[Seen]:
        """What the transaction that made one of these rows, or one that only legacy's answer names, made beside."""
        there = [
            (change.table, one.values, one.made_by, count)
            for change, versions, count in zip(self._changes, after, changes, strict=True)
            for one in versions
            if one is not None
        ]
        xids = {made for _, _, made, count in there if count == 1}
        if not xids:
            now = await shown_by(self._connection, self._keys, legacys.values())
            xids = {made for value, made in now.items() if value not in known}
        found = await made_by(self._connection, self._keys, xids, [(table, values) for table, values, *_ in there])
        unknown = Counter(change.table for change, at in zip(self._changes, places, strict=True) if not at)
        return beyond(found, unknown)

    async def release(self) -> None:
        """Let go of the connection; what it has not committed, which is all, is gone."""
        if not self._over:
            self._over = True
            await asyncio.shield(self._held.aclose())

    async def _versions(self, found: list[list[Place]]) -> list[list[Version | None]]:
        return [
            [await version(self._connection, change.table, columns, values) for columns, values in places]
            for change, places in zip(self._changes, found, strict=True)
        ]


def _places(change: Change, keys: Keys, legacys: Mapping[str, str]) -> list[Place]:
    """By which columns and values legacy's row of a change is looked for."""
    values = change.attempted
    if change.old is not None:
        return [(keys.primary, values)] if keys.primary else []
    found: list[Place] = [(columns, values) for columns in keys.others if _all_there(columns, values)]
    if keys.primary and _all_there(keys.primary, values):
        swapped = {name: legacys.get(str(values[name]), values[name]) for name in keys.primary}
        drawn = keys.generated.issuperset(keys.primary) and all(swapped[name] == values[name] for name in keys.primary)
        if not drawn:  # an id that the database drew for the rehearsal is no row of legacy's
            found.append((keys.primary, swapped))
    return found


def _left_at(change: Change, places: list[Place]) -> list[Place]:
    """Where a row may stand now: one whose key the new side has changed is looked for by that one first."""
    if change.old is None or change.new is None:
        return places
    moved = [(columns, change.new) for columns, was in places if any(change.new[name] != was[name] for name in columns)]
    return moved + places


def _one_row(change: Change, versions: Sequence[Version | None]) -> Sequence[Version | None]:
    """A row that was there is one row, wherever it is found now; an insert's places may be those of several."""
    return versions if change.old is None else [next(filter(None, versions), None)][: len(versions)]


def _all_there(columns: tuple[str, ...], values: Mapping[str, Any]) -> bool:
    return all(values.get(name) is not None for name in columns)


def _changes(old: Version | None, new: Version | None) -> int:
    """How often a row was changed between two snapshots, 2 for more than once, as far as its versions tell."""
    if old is None or new is None:
        return int(old is not new)
    if old.made_by == new.made_by:
        return 0
    return 1 if old.replaced_by == new.made_by else 2


def _values(versions: Sequence[Version | None]) -> Mapping[str, Any] | None:
    return next((found.values for found in versions if found is not None), None)
