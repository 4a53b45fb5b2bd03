"""What only one of several processes may do: whoever holds the lease does it, until it says so no more.

Only the database's clock counts: a process whose own clock jumps neither keeps nor loses anything.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, or_
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.db.engine import ask
from gateway.db.rollout_tables import leases


class LeaseStore:
    """Takes and gives back leases; every failure of the database is `DatabaseDown`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def hold(self, name: str, holder: str, *, for_s: float) -> bool:
        """Take the lease, or hold on to it, for so many seconds; False when somebody else has it."""
        return await ask(self._hold(name, holder, for_s))

    async def give_back(self, name: str, holder: str) -> None:
        """Let somebody else have it at once."""
        await ask(self._give_back(name, holder))

    async def _hold(self, name: str, holder: str, for_s: float) -> bool:
        now, until = func.clock_timestamp(), leases.c.until
        lasting = timedelta(seconds=for_s)
        taking = upsert(leases).values(name=name, holder=holder, until=now + lasting)
        # one that lasts much longer than any was taken before the database's clock was set back
        mine_or_nobodys = or_(leases.c.holder == holder, until < now, until > now + 2 * lasting)
        statement = taking.on_conflict_do_update(
            constraint=leases.primary_key,
            set_={"holder": taking.excluded.holder, "until": taking.excluded.until},
            where=mine_or_nobodys,
        ).returning(leases.c.holder)
        async with self._engine.connect() as connection:
            held = (await connection.execute(statement)).first() is not None
            await connection.commit()
            return held

    async def _give_back(self, name: str, holder: str) -> None:
        async with self._engine.connect() as connection:
            await connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))
            await connection.commit()
