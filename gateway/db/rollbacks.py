"""Takes a route back that goes wrong, once, whoever notices it; keeps what all processes have seen of it.

Whether it goes wrong is decided in `rollout.breach`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, Select, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.db.engine import ANSWER_S, DatabaseDown, ask
from gateway.db.flags import Unchanged, locked, write
from gateway.db.rollout_tables import rollbacks, watch_tallies
from gateway.db.tables import findings, verdict_minutes
from gateway.diff.verdict import Outcome
from gateway.rollout.breach import Breach, Breached, Seen
from gateway.rollout.evidence import Histogram
from gateway.rollout.flag import Change, Flag, Flipped, Refused, apply
from gateway.rollout.stage import Stage

BY: Final = "auto-rollback"
WATCHED: Final = (Stage.CANARY, Stage.NEW)
LATEST: Final = 60  # minutes in which something was compared, of which legacy's times are read
TALLIES_LIVE: Final = timedelta(days=30)
_COUNTS: Final = tuple(each.name for each in fields(Seen))

Key = tuple[str, int]  # a route and the version of its flag


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A request that went wrong: its id, and where the answers differed; `/mismatches` shows it."""

    request_id: str
    place: str


@dataclass(frozen=True, slots=True)
class Rollback:
    """One rollback that nobody asked for. `seen` is what all processes have told by now."""

    id: int
    route: str
    flag_version: int
    at: datetime
    what: str
    sentence: str
    exemplars: tuple[Exemplar, ...]
    webhook: str
    attempts: int
    seen: Seen

    @property
    def affected(self) -> int:
        """How many requests of clients are known to have gone wrong."""
        return self.seen.affected(Breached(self.what))


class RollbackStore:
    """Every failure of the database is `DatabaseDown`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def take_back(
        self, flag: Flag, breach: Breach, exemplars: Sequence[Exemplar], *, webhook: bool, within: float = ANSWER_S
    ) -> Flipped | Unchanged:
        """Send the route to legacy unless its flag is another one than `flag` by now."""
        return await ask(self._take_back(flag, breach, exemplars, webhook), within=within)

    async def tell(self, process: str, seen: Mapping[Key, Seen], *, within: float = ANSWER_S) -> None:
        """Keep what a process has seen in all since a flag is at a version."""
        if seen:
            await ask(self._tell(process, seen), within=within)

    async def told(self, versions: Mapping[str, int]) -> dict[str, Seen]:
        """What all processes have seen of routes at versions of their flags."""
        return await ask(self._told(versions)) if versions else {}

    async def examples(self, flag: Flag, limit: int = 5) -> tuple[Exemplar, ...]:
        """Requests that mismatched at this version of the flag, the newest first, as far as evidence has some."""
        one = findings.c
        at = one.route == flag.route, one.flag_version == flag.version, one.outcome == Outcome.MISMATCHED.value
        place = func.coalesce(one.differences[0]["where"].astext, "").label("place")
        wanted = select(one.request_id, place).where(*at).order_by(one.id.desc()).limit(limit)
        try:
            return await ask(self._examples(wanted))
        except DatabaseDown:  # or somebody has dropped the table: a route goes back without examples, too
            return ()

    async def legacys_times(self, route: str) -> Histogram:
        """How long legacy took lately for a route, as far as evidence knows."""
        one = verdict_minutes.c
        newest = select(one.control_ms).where(one.route == route).order_by(one.minute.desc()).limit(LATEST)
        return await ask(self._times(newest))

    async def of(self, route: str, limit: int = 50) -> list[Rollback]:
        """The rollbacks of a route, newest first."""
        newest = select(rollbacks).where(rollbacks.c.route == route).order_by(rollbacks.c.id.desc()).limit(limit)
        return await ask(self._read(newest))

    async def due(self, limit: int = 10) -> list[Rollback]:
        """Those whose webhook is to be called now."""
        due = rollbacks.c.webhook == "due", rollbacks.c.next_at <= func.clock_timestamp()
        return await ask(self._read(select(rollbacks).where(*due).order_by(rollbacks.c.id).limit(limit)))

    async def called(self, one: Rollback, *, state: str, again_in_s: float = 0.0) -> None:
        """Note how a call of the webhook ended."""
        again = func.clock_timestamp() + timedelta(seconds=again_in_s)
        values = {"webhook": state, "attempts": rollbacks.c.attempts + 1, "next_at": again}
        await ask(self._write(update(rollbacks).where(rollbacks.c.id == one.id).values(values)))

    async def forget(self) -> None:
        """Drop what was seen of watches that ended long ago."""
        await ask(self._write(delete(watch_tallies).where(watch_tallies.c.at < func.now() - TALLIES_LIVE)))

    async def _times(self, wanted: Select[Any]) -> Histogram:
        async with self._engine.connect() as connection:
            rows = (await connection.execute(wanted)).scalars().all()
        return sum((Histogram(tuple(counts)) for counts in rows), start=Histogram())

    async def _take_back(
        self, flag: Flag, breach: Breach, exemplars: Sequence[Exemplar], webhook: bool
    ) -> Flipped | Unchanged:
        async with self._engine.connect() as connection:
            current = await locked(connection, flag.route, flag)
            if current.version != flag.version or current.stage not in WATCHED:
                return Unchanged(current)
            outcome = apply(current, Change(Stage.LEGACY, reason=reason(breach, exemplars)), by=BY)
            if isinstance(outcome, Refused):  # back to legacy is always in the table of transitions
                raise AssertionError(outcome.sentence)
            await write(connection, current, outcome)
            await connection.execute(
                insert(rollbacks).values(
                    route=flag.route,
                    flag_version=flag.version,
                    what=breach.what.value,
                    sentence=breach.sentence,
                    exemplars=[{"request_id": one.request_id, "place": one.place} for one in exemplars],
                    webhook="due" if webhook else "none",
                )
            )
            await connection.commit()
            return outcome

    async def _tell(self, process: str, seen: Mapping[Key, Seen]) -> None:
        rows = [
            {"route": route, "flag_version": version, "process": process, **asdict(seen[route, version])}
            for route, version in sorted(seen)
        ]
        telling = upsert(watch_tallies)
        newest = {name: telling.excluded[name] for name in _COUNTS}
        statement = telling.on_conflict_do_update(
            constraint=watch_tallies.primary_key, set_={**newest, "at": func.clock_timestamp()}
        )
        async with self._engine.connect() as connection:
            await connection.execute(statement, rows)
            await connection.commit()

    async def _told(self, versions: Mapping[str, int]) -> dict[str, Seen]:
        async with self._engine.connect() as connection:
            seen = await _sums(connection, versions)
        return {route: counts for (route, version), counts in seen.items() if versions[route] == version}

    async def _examples(self, wanted: Any) -> tuple[Exemplar, ...]:
        async with self._engine.connect() as connection:
            return tuple(Exemplar(row.request_id, row.place) for row in await connection.execute(wanted))

    async def _read(self, statement: Any) -> list[Rollback]:
        async with self._engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
            seen = await _sums(connection, {row.route for row in rows})
        return [_rollback(row, seen.get((row.route, row.flag_version), Seen())) for row in rows]

    async def _write(self, statement: Any) -> None:
        async with self._engine.connect() as connection:
            await connection.execute(statement)
            await connection.commit()


def reason(breach: Breach, exemplars: Sequence[Exemplar]) -> str:
    """What the history says: what went wrong, how many requests it is known to have hit, and which to look at."""
    seen = breach.seen
    hit = f"{breach.affected} of {seen.answered} requests that the new side answered are known to be affected by then"
    like = ", ".join(f"{one.request_id} ({one.place})" if one.place else one.request_id for one in exemplars)
    return f"{breach.sentence}; {hit}{f'; look at {like}' if like else ''}"[:2_000]


async def _sums(connection: AsyncConnection, routes: Any) -> dict[Key, Seen]:
    table = watch_tallies.c
    sums = (func.sum(table[name]).label(name) for name in _COUNTS)
    wanted = select(table.route, table.flag_version, *sums).where(table.route.in_(list(routes)))
    rows = await connection.execute(wanted.group_by(table.route, table.flag_version))
    return {(row.route, row.flag_version): Seen(*(int(getattr(row, name)) for name in _COUNTS)) for row in rows}


def _rollback(row: Row[tuple[object, ...]], seen: Seen) -> Rollback:
    return Rollback(
        row.id,
        row.route,
        row.flag_version,
        row.at,
        row.what,
        row.sentence,
        tuple(Exemplar(each["request_id"], each["place"]) for each in row.exemplars),
        row.webhook,
        row.attempts,
        seen,
    )
