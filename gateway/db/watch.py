"""Keeps this process's flags equal to the database's: told by NOTIFY, polling behind it, and never dying.

It decides when to ask, and whether the plan in force is fresh; which flags may take force is `accept`'s.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import psycopg

from gateway.db.accept import accept
from gateway.db.engine import ANSWER_S, DatabaseDown, connection_parameters, database_url
from gateway.db.flags import CHANNEL, FlagStore
from gateway.db.snapshot import NO_SNAPSHOT, SnapshotFile, Unusable
from gateway.rollout.flag import Flag
from gateway.rollout.plan import Live, Source
from gateway.telemetry import log

POLL_S = 5.0  # how late a flip may be when its notification is lost
FIRST_LOAD_S = 1.5  # a start without the database is done within 2 s
PING_S = 3.0
LONGEST_PAUSE_S = 0.8  # so that a database that is back is noticed within a second


class FlagWatch:
    """The one task of a process that replaces its plan, but for flips made through this process itself."""

    def __init__(
        self,
        database: str,
        store: FlagStore,
        live: Live,
        snapshot: SnapshotFile,
        *,
        poll_s: float = POLL_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._parameters = connection_parameters(database_url(database))
        self._store = store
        self._live = live
        self._snapshot = snapshot
        self._poll_s = poll_s
        self._answer_s = answer_s
        self._nudge = asyncio.Event()
        self._file_due = asyncio.Event()
        self._went_back: Mapping[str, int] = {}
        self._started = False

    async def start(self) -> None:
        """Load the flags for the first time: from the database, else the last-known-good file, else none.

        Await it before the first request; it takes less than two seconds whatever happens.
        """
        self._started = True
        if not await self._reload(FIRST_LOAD_S):
            await self.use_snapshot()

    async def use_snapshot(self) -> None:
        """Act on the last-known-good file, if there is one and nothing better is known yet.

        Ask the database first: what is in force here is not replaced by an older version from there.
        """
        found = await asyncio.to_thread(self._snapshot.read)
        if isinstance(found, Unusable):
            if found is not NO_SNAPSHOT:  # as on every first start; that the database is down is told elsewhere
                log("snapshot_unusable", reason=found.reason)
        elif self._live.known.source is Source.DEFAULT:
            log("started_from_snapshot", flags=len(found))
            self._live.replace(found, Source.SNAPSHOT)

    async def run(self) -> None:
        """Watch for ever; it ends only by being cancelled."""
        if not self._started:
            await self.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._poll())
            group.create_task(self._keep_snapshot())

    async def _poll(self) -> None:
        failures = 0
        while True:
            self._nudge.clear()
            failures = 0 if await self._reload(self._answer_s) else failures + 1
            try:
                async with asyncio.timeout(_pause(failures) if failures else self._poll_s):
                    await self._nudge.wait()
            except TimeoutError:
                pass  # nobody said anything: ask all the same

    async def _listen(self) -> None:
        """Hold a connection that hears notifications; whatever happens to it, open another."""
        failures = 0
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(autocommit=True, **self._parameters) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    failures = 0
                    await self._hear(connection)
            except Exception as error:  # noqa: BLE001 - whatever broke it, flips must go on arriving
                if failures == 0:
                    log("listening_lost", error=type(error).__name__)
            failures += 1
            self._nudge.set()  # does the database still live?
            await asyncio.sleep(_pause(failures))

    async def _hear(self, connection: psycopg.AsyncConnection) -> None:
        """Pass notifications on; when it has been quiet, make sure that the other end is still there."""
        self._nudge.set()  # for what was said while nobody listened
        while True:
            async for _ in connection.notifies(timeout=self._poll_s):
                self._nudge.set()
            async with asyncio.timeout(PING_S):
                await connection.execute("SELECT 1")

    async def _keep_snapshot(self) -> None:
        while True:
            await self._file_due.wait()
            self._file_due.clear()
            try:
                await asyncio.to_thread(self._snapshot.keep, self._live.known.flags)
            except Exception as bug:  # noqa: BLE001 - a file is never worth the flags of this process
                log("snapshot_bug", bug=bug)

    async def _reload(self, within: float) -> bool:
        """Ask the database once and take what may be taken; False leaves everything as it was."""
        before = self._live.known.flags
        try:
            self._take(await self._store.load(within=within), before)
        except DatabaseDown as down:
            self._stale(str(down))
            return False
        except Exception as bug:  # noqa: BLE001 - the last good plan stays in force, and the next poll tries again
            self._stale("the flags in the database cannot be read", bug)
            return False
        return True

    def _take(self, stored: Mapping[str, Flag], before: Mapping[str, Flag]) -> None:
        live = self._live
        accepted = accept(stored, before=before, now=live.known.flags, went_back=self._went_back)
        self._went_back = accepted.went_back
        if accepted.flags != live.known.flags or live.known.source is not Source.DATABASE:
            live.replace(accepted.flags, Source.DATABASE)
        self._file_due.set()
        if accepted.went_back:
            self._stale(_went_back(accepted.went_back, accepted.flags))
        else:
            if not live.fresh:
                log("flags_fresh")
            live.fresh, live.why_stale = True, ""

    def _stale(self, why: str, bug: Exception | None = None) -> None:
        if self._live.fresh or self._live.why_stale != why:
            log("flags_stale", why=why, bug=bug)
        if self._live.fresh:
            self._file_due.set()  # a flip made through this process may not be in it yet
        self._live.fresh, self._live.why_stale = False, why


def _went_back(versions: Mapping[str, int], kept: Mapping[str, Flag]) -> str:
    listed = ", ".join(f"{route} from {kept[route].version} to {versions[route]}" for route in sorted(versions)[:5])
    more = f" and {len(versions) - 5} more" if len(versions) > 5 else ""
    return (
        f"versions went back in the database: {listed}{more}; the newer flags stay until a flip or a restart "
        "(was an older backup restored?)"
    )


def _pause(failures: int) -> float:
    """Seconds before the next attempt: growing, and spread so that processes do not come back in step."""
    return min(0.1 * 2.0 ** min(failures, 10), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
