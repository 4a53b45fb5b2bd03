"""The flags as the database keeps them: one row a route, changed only together with a row of its history.

Who may change what is decided in `rollout.flag`; this file makes the change atomic and tells the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.db.engine import ANSWER_S, ask
from gateway.db.tables import flag_changes, flags
from gateway.rollout.flag import Change, Flag, Flipped, Refused, apply, is_as_wanted
from gateway.rollout.gate import Held
from gateway.rollout.stage import Move, Stage

CHANNEL = "strangler_flags"

Gate = Callable[[Flag], Held | None]  # whether a flag may be changed so; it is asked while nobody else can change it


@dataclass(frozen=True, slots=True)
class LostRace:
    """The flag is not at the expected version any more; nothing was changed."""

    current: Flag


@dataclass(frozen=True, slots=True)
class Unchanged:
    """There was nothing to do."""

    flag: Flag


@dataclass(frozen=True, slots=True)
class Setting:
    """What a flag said at one version."""

    stage: Stage
    canary: int
    sample: int
    version: int


@dataclass(frozen=True, slots=True)
class FlagChange:
    """One line of a route's history; `id` grows with every change of any route."""

    id: int
    route: str
    by: str
    reason: str
    at: datetime
    move: Move
    forced: bool
    before: Setting
    after: Setting


class FlagStore:
    """Reads and changes flags; every failure of the database is `DatabaseDown`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def load(self, *, within: float = ANSWER_S) -> dict[str, Flag]:
        """Every stored flag by route."""
        return await ask(self._load(), within=within)

    async def change(
        self,
        route: str,
        change: Change,
        *,
        by: str,
        expected: int | None,
        in_force: Flag | None = None,
        gate: Gate | None = None,
    ) -> Flipped | Refused | LostRace | Held | Unchanged:
        """Make one change in one transaction, or say why not; `expected` None means whatever is current.

        `in_force` is the flag the caller acts on. Where it is newer than the stored one (an older backup
        was restored), the change starts from it, so that every process takes the result for newer.
        `gate` is asked about the flag that would be changed.
        """
        return await ask(self._change(route, change, by=by, expected=expected, in_force=in_force, gate=gate))

    async def rollback(
        self, route: str, *, by: str, reason: str, in_force: Flag | None = None
    ) -> Flipped | Refused | Unchanged:
        """Send a route back to legacy whatever its version; a route that is there already stays as it is."""
        return await ask(self._rollback(route, by=by, reason=reason, in_force=in_force))

    async def history(self, route: str, limit: int = 50, before: int | None = None) -> list[FlagChange]:
        """The changes of a route, newest first; `before` is the id of the last one already seen."""
        return await ask(self._history(route, limit, before))

    async def _load(self) -> dict[str, Flag]:
        async with self._engine.connect() as connection:
            rows = await connection.execute(select(flags))
            return {row.route: _flag(row) for row in rows}

    async def _change(
        self,
        route: str,
        change: Change,
        *,
        by: str,
        expected: int | None,
        in_force: Flag | None,
        gate: Gate | None,
    ) -> Flipped | Refused | LostRace | Held | Unchanged:
        async with self._engine.connect() as connection:
            current = await locked(connection, route, in_force)
            if expected is not None and expected != current.version:
                return LostRace(current)
            outcome = apply(current, change, by=by)
            if isinstance(outcome, Refused):
                return outcome  # the transaction ends without a commit
            if is_as_wanted(current, change) and current is not in_force:  # what a backup has lost is written anew
                return Unchanged(current)
            if gate is not None and (held := gate(current)) is not None:
                return held
            await write(connection, current, outcome, forced=change.force)
            await connection.commit()
            return outcome

    async def _rollback(
        self, route: str, *, by: str, reason: str, in_force: Flag | None
    ) -> Flipped | Refused | Unchanged:
        async with self._engine.connect() as connection:
            current = await locked(connection, route, in_force)
            if current.stage is Stage.LEGACY:
                return Unchanged(current)
            outcome = apply(current, Change(Stage.LEGACY, reason=reason), by=by)
            if isinstance(outcome, Flipped):
                await write(connection, current, outcome)
                await connection.commit()
            return outcome

    async def _history(self, route: str, limit: int, before: int | None) -> list[FlagChange]:
        wanted = select(flag_changes).where(flag_changes.c.route == route)
        if before is not None:
            wanted = wanted.where(flag_changes.c.id < before)
        async with self._engine.connect() as connection:
            rows = await connection.execute(wanted.order_by(flag_changes.c.id.desc()).limit(limit))
            return [_flag_change(row) for row in rows]


async def locked(connection: AsyncConnection, route: str, in_force: Flag | None) -> Flag:
    """The current flag, its row locked; a route's first change makes the row, so that there is one to lock."""
    first = _values(Flag(route))
    await connection.execute(upsert(flags).values(first).on_conflict_do_nothing())
    row = (await connection.execute(select(flags).where(flags.c.route == route).with_for_update())).one()
    stored = _flag(row)
    return in_force if in_force is not None and in_force.version > stored.version else stored


async def write(connection: AsyncConnection, current: Flag, outcome: Flipped, *, forced: bool = False) -> None:
    """Put a change of a locked flag into the transaction: the flag, its history, the word to other processes."""
    after = outcome.flag
    await connection.execute(
        update(flags).where(flags.c.route == after.route).values(**_values(after), set_at=func.clock_timestamp())
    )
    await connection.execute(
        insert(flag_changes).values(
            route=after.route,
            by=after.set_by,
            reason=after.reason,
            move=outcome.move.value,
            forced=forced,
            **_setting("before", current),
            **_setting("after", after),
        )
    )
    await connection.execute(select(func.pg_notify(CHANNEL, f"{after.route}:{after.version}")))


def _flag(row: Row[tuple[object, ...]]) -> Flag:
    return Flag(
        route=row.route,
        stage=Stage(row.stage),
        canary=row.canary,
        sample=row.sample,
        version=row.version,
        set_by=row.set_by,
        reason=row.reason,
    )


def _values(flag: Flag) -> dict[str, object]:
    return {
        "route": flag.route,
        "stage": flag.stage.value,
        "canary": flag.canary,
        "sample": flag.sample,
        "version": flag.version,
        "set_by": flag.set_by,
        "reason": flag.reason,
    }


def _setting(when: str, flag: Flag) -> dict[str, object]:
    said = {"stage": flag.stage.value, "canary": flag.canary, "sample": flag.sample, "version": flag.version}
    return {f"{name}_{when}": value for name, value in said.items()}


def _flag_change(row: Row[tuple[object, ...]]) -> FlagChange:
    before = Setting(Stage(row.stage_before), row.canary_before, row.sample_before, row.version_before)
    after = Setting(Stage(row.stage_after), row.canary_after, row.sample_after, row.version_after)
    return FlagChange(
        row.id, row.route, row.by, row.reason, row.at, Move(row.move), row.forced, before=before, after=after
    )
