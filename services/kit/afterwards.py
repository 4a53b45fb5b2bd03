"""The look at what legacy did after a rehearsal: its rows now, and how often each has changed since.

The first question is asked in the rehearsal's own snapshot, where an old row names who replaced it (ADR 0016).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.kit.came import came_since
from services.kit.capture import Change
from services.kit.guard import permitted
from services.kit.keys import KnownKeys, Version, is_younger, version
from services.kit.others import Others, changes_between
from services.kit.places import Learnt, Place, left_at, places
from services.kit.rights import NOT_ALLOWED, Rights
from services.kit.told import drawn_for, references

HELD_MS: Final = "15000ms"  # PostgreSQL ends what nobody looks at any more
_HELD = text("SELECT set_config('idle_in_transaction_session_timeout', :held_ms, true)")
_GONE: Final = (OperationalError, InterfaceError, InternalError)  # what the first to use the connection is told

Seen = dict[str, Any]
Versions = list[Version | None]


@dataclass(frozen=True, slots=True)
class View:
    """What a rehearsal saw: nothing of transactions from `since` on, and what the handler's rights showed."""

    since: str
    rights: Rights


class Afterwards:
    """What the gateway is given: one look at the rows, once legacy has answered, or none."""

    def __init__(
        self,
        connection: AsyncConnection,
        changes: list[Change],
        keys: KnownKeys,
        view: View,
        held: AsyncExitStack,
    ) -> None:
        self._connection, self._changes, self._keys = connection, changes, keys
        self._view, self._held = view, held
        self._others = Others(connection, keys, view.since)
        self._before: list[Versions] = []
        self._is_frozen = self._over = False

    async def look(self, swaps: Sequence[tuple[str, str]]) -> list[Seen]:
        """For each row: `changes` (0, 1, 2 for more) since the rehearsal saw it, and `row`, its values now.

        `swaps` are pairs of values that stand at the same place of new's and of legacy's answer: legacy's row may have
        legacy's id. Behind these stand, with their `table`, other rows that legacy's transaction wrote, and what came
        into the tables of inserts to which nothing leads: whether that is the `whole` of it stands at the insert.
        """
        try:
            await self.freeze()
            with permitted(), _border():
                return await self._look(dict(swaps))
        except ProgrammingError as error:
            if getattr(error.orig, "sqlstate", None) != NOT_ALLOWED:
                raise
            return [{"changes": 0, "row": None, "known": False, "hidden": one.new is not None} for one in self._changes]
        finally:
            await self.release()

    async def freeze(self) -> None:
        """Hold on to what there is now: whoever has legacy's answer may change its rows before they are looked at."""
        if self._is_frozen:
            return
        self._is_frozen = True
        with permitted(), _border():
            await self._others.before()
            async with self._view.rights.taken(self._connection, await self._guarded()):
                self._before = await self._found_before()
            await self._connection.rollback()
            await self._connection.execute(_HELD, {"held_ms": HELD_MS})  # takes the new snapshot

    async def _guarded(self) -> Collection[str]:
        """The tables that the connection's own rights may not show."""
        shown = await self._keys.captured(self._connection)
        return {change.table for change in self._changes} - shown.keys()

    async def _look(self, legacys: Mapping[str, str]) -> list[Seen]:
        async with self._view.rights.taken(self._connection, await self._guarded()) as hiding:
            found, after = await self._after(legacys)
        changes = [changes_between(*pair) for pair in zip(self._before, after, strict=True)]
        for parent in self._changed_again(after):
            changes[parent] = 2
        beside = await self._others.after(self._changes, self._before, after, legacys.values())
        came, whole = await self._came(await self._keys.captured(self._connection), found)
        seen = [
            {
                "changes": count,
                "row": (row := _values(new)),
                "known": bool(at),
                "whole": change.table in whole,
                "hidden": row is None and change.new is not None and change.table in hiding,
            }
            for change, at, count, new in zip(self._changes, found, changes, after, strict=True)
        ]
        there = [(change.table, one["row"]) for change, one in zip(self._changes, seen, strict=True)]
        there += [(one["table"], one["row"]) for one in beside]
        return seen + beside + [one for one in came if (one["table"], one["row"]) not in there]

    async def _came(self, shown: Collection[str], found: list[list[Place]]) -> tuple[list[Seen], set[str]]:
        """What has come into the tables of inserted rows to which nothing leads; and for which that is all."""
        unknown: dict[str, list[Change]] = {}
        for change, at in zip(self._changes, found, strict=True):
            if change.op == "insert" and not at and change.table in shown:
                unknown.setdefault(change.table, []).append(change)
        came: list[Seen] = []
        whole = set[str]()
        for table, rows in unknown.items():
            there, is_whole = await came_since(self._connection, self._view.since, self._keys[table], rows)
            came += [{"table": table, "changes": 0, "row": row, "known": False} for row in there]
            whole |= {table} if is_whole else set()
        return came, whole

    async def release(self) -> None:
        """Let go of the connection; what it has not committed, which is all, is gone."""
        if not self._over:
            self._over = True
            await asyncio.shield(self._held.aclose())

    async def _found_before(self) -> list[Versions]:
        """The rows as the rehearsal found them; an insert that succeeded has found nobody in its place."""
        nothing = Learnt({})
        return [
            await self._versions(
                change, [] if change.op == "insert" else places(change, self._keys[change.table], nothing)
            )
            for change in self._changes
        ]

    async def _after(self, legacys: Mapping[str, str]) -> tuple[list[list[Place]], list[Versions]]:
        """Where each row is looked for, and what is there now. What legacy drew for one row leads to the next."""
        learnt = Learnt(legacys)
        found: list[list[Place]] = []
        after: list[Versions] = []
        known = {change.table: self._keys[change.table] for change in self._changes}
        for change, refers in zip(self._changes, references(self._changes, known), strict=True):
            keys = self._keys[change.table]
            at = places(change, keys, learnt, refers)
            there = _one_row(change, await self._versions(change, left_at(change, at)))
            found.append(at)
            after.append(there)
            learnt.take(change, keys, _values(there))
        return found, after

    def _changed_again(self, after: list[Versions]) -> Iterator[int]:
        """The new rows that are younger than one that refers to them: somebody has changed them since."""
        known = {change.table: self._keys[change.table] for change in self._changes}
        drawn = {one: at for at, change in enumerate(self._changes) for one in drawn_for(change, known[change.table])}
        for change, refers, children in zip(self._changes, references(self._changes, known), after, strict=True):
            for name, there in refers.items() if change.op == "insert" else ():
                parent = drawn[(*there, str((change.new or {})[name]))]
                pairs = product(filter(None, children), filter(None, after[parent]))
                if any(is_younger(its.made_by, mine.made_by) for mine, its in pairs):
                    yield parent

    async def _versions(self, change: Change, at: list[Place]) -> Versions:
        return [await version(self._connection, change.table, columns, values) for columns, values in at]


@contextmanager
def _border() -> Iterator[None]:
    """Legacy took longer than PostgreSQL keeps a snapshot for nobody, or the connection is lost."""
    try:
        yield
    except _GONE as error:
        raise TimeoutError("the rehearsal's snapshot is gone") from error


def _one_row(change: Change, versions: Versions) -> Versions:
    """A row that was there is one row, wherever it is found now; an insert's places may be those of several."""
    return versions if change.old is None else [next(filter(None, versions), None)][: len(versions)]


def _values(versions: Versions) -> Mapping[str, Any] | None:
    return next((found.values for found in versions if found is not None), None)
