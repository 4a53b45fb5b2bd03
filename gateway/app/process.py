"""One process that is the whole gateway: database, admin plane, data plane, and what the signals ask of it."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

from gateway.app.administration import admin_server, admin_service, greet, keeper, tell_first_token
from gateway.app.agreed import Agreed, counted
from gateway.app.clients import Clients
from gateway.app.fleet.supervised import Around, Supervised, supervised
from gateway.app.handover import Handover, succeed
from gateway.app.listeners import Listeners
from gateway.app.lock import StateLock
from gateway.app.opening import key_of
from gateway.app.plane import Needs
from gateway.app.reload import Reload, Reread
from gateway.app.service import Entrance, data_service
from gateway.app.signals import PANIC, RELOAD, RENEW, STOP, has_terminal, obeying
from gateway.app.systemd import notify
from gateway.contract.load import Contracts
from gateway.db.evidence_keep import Bounds
from gateway.db.lifecycle import Database
from gateway.db.panic import PanicWatch
from gateway.metrics.snapshot import Snapshot
from gateway.proxy.drain import QuietServer
from gateway.rollout.plan import Live, Plan, Source
from gateway.routing.table import RouteTable
from gateway.settings.model import Settings
from gateway.telemetry import log
from gateway.upstream.inprocess import App


@dataclass(frozen=True, slots=True)
class Opening:
    """What was read and opened before the first part starts; `reread` reads the settings again."""

    settings: Settings
    contracts: Contracts | None
    new_app: App | None
    listeners: Listeners
    lock: StateLock | None
    handover: Handover | None
    at_terminal: bool
    reread: Reread


class Process:
    """The parts of one gateway process."""

    def __init__(self, opening: Opening) -> None:
        settings, contracts = opening.settings, opening.contracts
        self._opening, self._settings = opening, settings
        self._live = Live(Plan(RouteTable(() if contracts is None else contracts.routes), {}, Source.DEFAULT))
        self._agreed = Agreed(settings.contracts_folder, contracts, self._live)
        self._agreed.new_version = settings.new_version or ""
        self._database = Database(
            settings.database_url,
            settings.state,
            self._live,
            self._tell_first_token,
            bounds=Bounds(settings.evidence_days, settings.evidence_route_bytes, settings.evidence_bytes),
            key=key_of(settings),
        )
        self._renewal: asyncio.Task[None] | None = None
        self._not_renewed: list[str] = []
        self._serving = False
        self._main: asyncio.Task[Any] | None
        self._panic: PanicWatch
        self._clients: Clients
        self._admin: QuietServer
        self._reload: Reload

    async def run(self) -> None:
        """Start every part in order, serve until a signal ends it, end them in the reverse order."""
        self._main = asyncio.current_task()
        self._panic = PanicWatch(self._settings.state, self._live)
        orders = dict.fromkeys(STOP, self._stop)
        with obeying({**orders, PANIC: self._hear_panic, RELOAD: self._hear_hangup, RENEW: self._renew}):
            async with AsyncExitStack() as parts:
                parts.callback(self._panic.close)
                await self._start(parts)
                self._serving = True
                await self._serve()

    async def _start(self, parts: AsyncExitStack) -> None:
        settings, live = self._settings, self._live
        parts.push_async_callback(self._database.stop)
        await self._database.start()
        parts.push_async_callback(_end, asyncio.create_task(self._agreed.follow()))
        self._clients = await parts.enter_async_context(self._clients_of(settings))
        self._reload = Reload(self._agreed, self._opening.reread, self._clients.reload)
        service = admin_service(settings, live, self._database, self._agreed.revision)
        keeping = keeper(settings, live, self._database, service)
        parts.push_async_callback(_end, asyncio.create_task(keeping.run()))
        self._admin = admin_server(
            settings, service, live, self._database, self._agreed, figures=self._snapshot, more=self._more
        )

    def _clients_of(self, settings: Settings) -> AbstractAsyncContextManager[Clients]:
        listener = self._opening.listeners.data
        entrance = Entrance(listener.sock, listener.kept)
        if settings.workers > 1:
            return supervised(settings, Around(self._live, self._agreed, self._database.url), entrance)
        recorder = self._agreed.recorder(self._database.evidence.mask)
        needs = Needs(self._live, self._database.sink, self._agreed.rules, recorder, self._database.rollbacks)
        return data_service(settings, needs, entrance, self._opening.new_app)

    async def _serve(self) -> None:
        listeners = self._opening.listeners
        self._admin.shares = listeners.admin.kept
        async with asyncio.TaskGroup() as serving:
            serving.create_task(self._admin.serve([listeners.admin.sock]))
            serving.create_task(self._serve_clients())
            serving.create_task(self._tell_when_ready())

    async def _serve_clients(self) -> None:
        await self._clients.serve()
        self._admin.should_exit = True  # last, so that /readyz can say what is going on

    async def _tell_when_ready(self) -> None:
        await self._admin.listening.wait()
        await self._clients.listening.wait()
        settings = self._settings
        greet(settings)
        log("gateway_ready", listen=settings.listen, admin=settings.admin, legacy=settings.legacy, pid=os.getpid())
        notify("READY=1")
        if self._opening.handover is not None:
            self._opening.handover.told()

    # signals

    def _stop(self) -> None:
        """The first time, serve whoever is here and go; the second time, go."""
        if not self._serving:
            if self._main is not None:
                self._main.cancel()
            return
        if not self._live.draining:
            log("gateway_draining")
            notify("STOPPING=1")
            self._live.draining = True
            self._clients.leave(succeeded=False)
        else:
            self._clients.leave_now()
            self._admin.force_exit = self._admin.should_exit = True

    def _hear_panic(self) -> None:
        self._panic.tell()
        if self._serving:
            self._clients.panic()

    def _hear_hangup(self) -> None:
        if self._opening.at_terminal and not has_terminal():
            self._stop()
        elif self._serving:
            self._reload.begin()

    def _renew(self) -> None:
        """Have new code and settings serve: by new workers one after the other, or by a successor of this process."""
        if self._serving and not self._live.draining and (self._renewal is None or self._renewal.done()):
            workers = self._clients if isinstance(self._clients, Supervised) else None
            self._renewal = asyncio.create_task(self._hand_over() if workers is None else self._renew_workers(workers))

    async def _renew_workers(self, workers: Supervised) -> None:
        log("workers_renewing")
        wanted = await asyncio.to_thread(self._opening.reread)
        if isinstance(wanted, list):
            log("settings_refused", level=logging.ERROR, problems=wanted)
            self._not_renewed = [counted("settings", wanted)]
        else:
            renewed = await workers.renew(wanted)
            if renewed:
                self._agreed.new_version = wanted.new_version or ""
            self._not_renewed = [] if renewed else ["workers: one did not start, see renewal_failed in the log"]

    async def _hand_over(self) -> None:
        log("successor_starting")
        listeners, lock = self._opening.listeners, self._opening.lock
        left = {"data": listeners.data.left(), "admin": listeners.admin.left()}
        outcome = await succeed(left, None if lock is None else lock.handle)
        if isinstance(outcome, str):
            log("successor_failed", level=logging.ERROR, why=outcome)
            self._not_renewed = [f"successor: {outcome}"]
            return
        log("successor_ready", pid=outcome)
        notify(f"MAINPID={outcome}")
        self._admin.shares = self._admin.should_exit = True  # whoever asks from now on is told by the successor
        self._live.draining = True
        self._clients.leave(succeeded=True)

    # what the admin plane asks

    async def _snapshot(self) -> Snapshot:
        return await self._clients.snapshot()

    def _more(self) -> dict[str, Any]:
        return {"not_reloaded": [*self._reload.problems, *self._not_renewed], **self._clients.more()}

    async def _tell_first_token(self) -> None:
        await tell_first_token(self._database.tokens)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
