"""Side effects, put down in the transaction that causes them and delivered once it is committed.

A handler sends nothing itself: it `post`s. A rehearsal's message is rolled back with its rows; a committed one is
delivered at least once, by one relay at a time, in the order of its topic's due times. Whoever takes it must not mind
having it twice: its `id` stays the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Integer,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.kit.unit import WriteSession

LOOK_S: Final = 1.0
DELIVERY_S: Final = 10.0
LONGEST_S: Final = 300.0  # between two attempts
_log = logging.getLogger("services")

outbox = Table(
    "outbox",
    MetaData(schema="strangler"),
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("topic", Text),
    Column("payload", JSONB),
    Column("created_at", DateTime(timezone=True)),
    Column("attempts", Integer),
    Column("due_at", DateTime(timezone=True)),
)
_POST = insert(outbox).returning(outbox.c.id)
_DUE = (
    select(outbox.c.id, outbox.c.topic, outbox.c.payload, outbox.c.attempts)
    .where(outbox.c.due_at <= func.now())
    .order_by(outbox.c.due_at, outbox.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)


@dataclass(frozen=True, slots=True)
class Letter:
    """One message on its way; `id` is the same at each attempt."""

    id: int
    topic: str
    payload: Mapping[str, Any]


Deliver = Callable[[Letter], Awaitable[None]]


async def post(session: WriteSession, topic: str, payload: Mapping[str, Any]) -> None:
    """Put a message down; it leaves when the session's transaction has been committed, or never."""
    await session.add(_POST, {"topic": topic, "payload": dict(payload)})


class Relay:
    """Delivers what is due, one letter after the other, each in a transaction that ends with its delivery."""

    def __init__(self, engine: AsyncEngine, deliver: Mapping[str, Deliver]) -> None:
        self._engine, self._deliver = engine, deliver
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Deliver from now on; call from the running loop."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Stop; a letter under way is delivered again by whoever comes next."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                while await self.deliver_one():
                    pass
            except Exception as error:  # noqa: BLE001 - a database that is away is asked again
                _log.warning("the outbox cannot be read: %s", type(error).__name__)
            await asyncio.sleep(LOOK_S)

    async def deliver_one(self) -> bool:
        """Deliver the next letter that is due; False when there is none."""
        async with self._engine.begin() as connection:
            row = (await connection.execute(_DUE.where(outbox.c.topic.in_(list(self._deliver))))).fetchone()
            if row is None:
                return False
            letter = Letter(row.id, row.topic, row.payload)
            try:
                async with asyncio.timeout(DELIVERY_S):
                    await self._deliver[letter.topic](letter)
            except Exception as error:  # noqa: BLE001 - whatever a delivery raises, there is another attempt
                _log.warning("letter %d (%s) was not delivered: %s", letter.id, letter.topic, type(error).__name__)
                await _put_off(connection, letter, row.attempts + 1)
            else:
                await connection.execute(delete(outbox).where(outbox.c.id == letter.id))
        return True


async def _put_off(connection: AsyncConnection, letter: Letter, attempts: int) -> None:
    """Try again later, each time after twice as long."""
    later = timedelta(seconds=min(2.0**attempts, LONGEST_S))
    changed = update(outbox).where(outbox.c.id == letter.id)
    await connection.execute(changed.values(attempts=attempts, due_at=func.now() + later))
