"""The database of one gateway process from start to stop: brought up, migrated, followed, brought up again.

Nothing here keeps the data plane waiting for longer than `FIRST_FLAGS_S`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from gateway.db.apart import StoredApart
from gateway.db.embedded import EmbeddedPostgres, EmbeddedPostgresError
from gateway.db.engine import DatabaseDown, make_engine
from gateway.db.evidence import EvidenceStore
from gateway.db.evidence_keep import Bounds, Keeper
from gateway.db.flags import FlagStore
from gateway.db.leases import LeaseStore
from gateway.db.migrate import MigrationRefused, upgrade
from gateway.db.rollbacks import RollbackStore
from gateway.db.rollouts import RolloutStore
from gateway.db.snapshot import SnapshotFile
from gateway.db.tokens import TokenStore
from gateway.db.watch import FlagWatch
from gateway.rollout.plan import Live
from gateway.telemetry import log

FIRST_FLAGS_S = 1.5  # how long a start waits for the database before it goes without (acceptance 21: 2 s in all)


class Followed:
    """The stores over a database that somebody else keeps up, and its flags in force here."""

    def __init__(self, url: str, state: Path, live: Live, key: bytes | None = None) -> None:
        self.url = url
        self._engine = make_engine(url)
        self._live = live
        self._following: asyncio.Task[None] | None = None
        self.flags = FlagStore(self._engine)
        self.tokens = TokenStore(self._engine)
        self.leases = LeaseStore(self._engine)
        self.rollbacks = RollbackStore(self._engine)
        self.rollouts = RolloutStore(self._engine)
        self.evidence = EvidenceStore(self._engine, key)
        self.sink = StoredApart(self.evidence, partial(make_engine, url))
        self._watch = FlagWatch(url, self.flags, live, SnapshotFile(state / "flags.json"))

    async def start(self) -> None:
        """Put the database's flags in force if it is quick, else the last-known-good ones; then follow it."""
        await self._watch.start()
        self._following = asyncio.create_task(self._follow_flags())

    async def stop(self) -> None:
        """Follow no more, close the connections."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        await self.sink.aclose()
        await self._engine.dispose()

    async def _follow_flags(self) -> None:
        with suppress(DatabaseDown):  # then the first findings that are stored bring it
            await self.evidence.load_key()
        await self._watch.run()


class Database(Followed):
    """The same, kept up: the database at `url`, or an embedded one in the folder `state`.

    `once_ready` is awaited whenever the tables are at their newest version. Evidence stays within its `bounds`.
    """

    def __init__(
        self,
        url: str | None,
        state: Path,
        live: Live,
        once_ready: Callable[[], Awaitable[None]],
        *,
        bounds: Bounds,
        key: bytes | None = None,
    ) -> None:
        self._embedded = None if url else EmbeddedPostgres(state / "postgres")
        super().__init__(self._embedded.url if self._embedded else url or "", state, live, key)
        self._keeper = Keeper(self._engine, bounds)
        self._once_ready = once_ready

    async def start(self) -> None:
        """Put the database's flags in force if it is quick, else the last-known-good ones; then follow it."""
        prepared = asyncio.create_task(self._prepare())
        self._following = asyncio.create_task(self._follow(prepared))
        await asyncio.wait({prepared}, timeout=FIRST_FLAGS_S)
        if prepared.done():
            await self._watch.start()
            return
        await self._watch.use_snapshot()

    async def stop(self) -> None:
        """Follow no more, close the connections, end an embedded server that nobody else uses."""
        await super().stop()
        if self._embedded is not None:
            await asyncio.to_thread(self._embedded.stop)

    async def _follow(self, prepared: asyncio.Task[None]) -> None:
        async with asyncio.TaskGroup() as group:
            await prepared
            group.create_task(self._watch.run())
            group.create_task(self._keeper.run())
            while self._embedded is not None:
                await asyncio.sleep(1)
                if not await asyncio.to_thread(self._embedded.is_running):
                    log("embedded_postgres_died", level=logging.ERROR)
                    await self._prepare()

    async def _prepare(self) -> None:
        """Bring the database up and its tables to the newest version, however long that takes."""
        while True:
            try:
                if self._embedded is not None:
                    await asyncio.to_thread(self._embedded.start)
                await asyncio.to_thread(upgrade, self.url, "gateway")
                await self.evidence.load_key()
                await self._once_ready()
            except (EmbeddedPostgresError, DatabaseDown, MigrationRefused) as error:
                self._live.why_stale = str(error)
                log("database_not_ready", level=logging.ERROR, why=str(error))
                await asyncio.sleep(1)
            except Exception as bug:  # noqa: BLE001 - whatever it is, flips must go on arriving once it is over
                self._live.why_stale = "the database cannot be made ready"
                log("database_not_ready", level=logging.ERROR, bug=bug)
                await asyncio.sleep(1)
            else:
                return
