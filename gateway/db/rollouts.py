"""Plans of rollouts as the database keeps them: one active plan a route, each step in one transaction with its flip.

What comes next is decided in `rollout.steps`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.db.engine import ask
from gateway.db.flags import LostRace, locked, write
from gateway.db.rollout_tables import rollouts
from gateway.rollout.flag import Change, Flipped, Refused, apply
from gateway.rollout.steps import ACTIVE, BY, Rollout, State, Step, bad_steps

_BAKED = func.extract("epoch", func.clock_timestamp() - rollouts.c.step_at).label("baked_s")


class RolloutStore:
    """Every failure of the database is `DatabaseDown`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def begin(
        self, route: str, steps: tuple[Step, ...], *, bake_s: float, by: str, reason: str
    ) -> Rollout | Refused:
        """Keep a new plan; the first step is taken by whoever looks after plans."""
        return await ask(self._begin(route, steps, bake_s, by, reason))

    async def running(self) -> list[Rollout]:
        """The plans that go on."""
        return await ask(self._read(rollouts.c.state == State.RUNNING.value))

    async def newest(self, route: str) -> Rollout | None:
        """The plan of a route that was made last, active or not."""
        found = await ask(self._read(rollouts.c.route == route, limit=1))
        return found[0] if found else None

    async def take(self, rollout: Rollout, change: Change) -> Flipped | Refused | LostRace:
        """Take a step: the flip and the note of it are one transaction."""
        return await ask(self._take(rollout, change))

    async def settle(self, rollout: Rollout, state: State, why: tuple[str, ...]) -> bool:
        """Put a plan into a state, if it is still active; False when it is not."""
        return await ask(self._settle(rollout, state, why))

    async def _begin(
        self, route: str, steps: tuple[Step, ...], bake_s: float, by: str, reason: str
    ) -> Rollout | Refused:
        async with self._engine.connect() as connection:
            flag = await locked(connection, route, None)
            why_not = bad_steps(steps, flag)
            if why_not is not None:
                return Refused("bad_rollout", why_not)
            values = {
                "route": route,
                "steps": [str(step) for step in steps],
                "bake_s": bake_s,
                "by": by,
                "reason": reason,
                "state": State.RUNNING.value,
                "taken": 0,
                "version": flag.version,
                "why": [],
            }
            try:
                made = await connection.execute(insert(rollouts).values(values).returning(rollouts, _BAKED))
            except IntegrityError:
                return Refused("rollout_active", f"a rollout of {route} is active already")
            rollout = _rollout(made.one())
            await connection.commit()
            return rollout

    async def _read(self, *conditions: Any, limit: int = 1_000) -> list[Rollout]:
        wanted = select(rollouts, _BAKED).where(*conditions).order_by(rollouts.c.id.desc()).limit(limit)
        async with self._engine.connect() as connection:
            return [_rollout(row) for row in await connection.execute(wanted)]

    async def _take(self, rollout: Rollout, change: Change) -> Flipped | Refused | LostRace:
        async with self._engine.connect() as connection:
            flag = await locked(connection, rollout.route, None)
            if flag.version != rollout.version:
                return LostRace(flag)
            step = f"rollout {rollout.id} by {rollout.by}, step {rollout.taken + 1} of {len(rollout.steps)}"
            reason = f"{step}: {rollout.reason}" if rollout.reason else step
            outcome = apply(flag, replace(change, reason=reason), by=BY)
            if isinstance(outcome, Refused):
                return outcome
            noted = await connection.execute(
                update(rollouts)
                .where(rollouts.c.id == rollout.id, rollouts.c.state == State.RUNNING.value)
                .values(taken=rollout.taken + 1, version=outcome.flag.version, step_at=func.clock_timestamp(), why=[])
            )
            if noted.rowcount == 0:  # it was cancelled a moment ago
                return LostRace(flag)
            await write(connection, flag, outcome)
            await connection.commit()
            return outcome

    async def _settle(self, rollout: Rollout, state: State, why: tuple[str, ...]) -> bool:
        async with self._engine.connect() as connection:
            settled = await connection.execute(
                update(rollouts)
                .where(rollouts.c.id == rollout.id, rollouts.c.state.in_([each.value for each in ACTIVE]))
                .values(state=state.value, why=list(why))
            )
            await connection.commit()
            return settled.rowcount > 0


def _rollout(row: Row[Any]) -> Rollout:
    return Rollout(
        row.id,
        row.route,
        tuple(map(Step.parse, row.steps)),
        row.bake_s,
        State(row.state),
        row.taken,
        row.version,
        float(row.baked_s),
        row.by,
        row.reason,
        tuple(row.why),
    )
