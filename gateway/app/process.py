"""One process that is the whole gateway: database, admin plane, data plane, and what the signals ask of it."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from gateway.app.administration import admin_server, greet, tell_first_token
from gateway.app.agreed import Agreed
from gateway.app.handover import Handover, succeed
from gateway.app.listeners import Listeners
from gateway.app.lock import StateLock
from gateway.app.plane import Needs
from gateway.app.reload import Reload, Reread
from gateway.app.service import DataService, data_service
from gateway.app.signals import PANIC, RELOAD, RENEW, STOP, has_terminal, obeying
from gateway.app.systemd import notify
from gateway.contract.load import Contracts
from gateway.db.lifecycle import Database
from gateway.db.panic import PanicWatch
from gateway.metrics.snapshot import Snapshot
from gateway.proxy.drain import QuietServer
from gateway.rollout.plan import Live, Plan, Source
from gateway.routing.table import RouteTable
from gateway.settings import Settings
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
        self._database = Database(settings.database_url, settings.state, self._live, self._tell_first_token)
        self._succession: asyncio.Task[None] | None = None
        self._serving = False
        self._main: asyncio.Task[Any] | None
        self._panic: PanicWatch
        self._service: DataService
        self._admin: QuietServer
        self._reload: Reload

    async def run(self) -> None:
        """Start every part in order, serve until a signal ends it, end them in the reverse order."""
        self._main = asyncio.current_task()
        self._panic = PanicWatch(self._settings.state, self._live)
        orders = dict.fromkeys(STOP, self._stop)
        with obeying({**orders, PANIC: self._panic.tell, RELOAD: self._hear_hangup, RENEW: self._renew}):
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
        needs = Needs(live, self._database.evidence, self._agreed.rules)
        self._service = await parts.enter_async_context(data_service(settings, needs, self._opening.new_app))
        self._reload = Reload(self._agreed, self._opening.reread, self._put_in_force)
        self._admin = admin_server(settings, live, self._database, figures=self._snapshot, more=self._more)

    async def _serve(self) -> None:
        listeners = self._opening.listeners
        self._service.server.shares, self._admin.shares = listeners.data.kept, listeners.admin.kept
        async with asyncio.TaskGroup() as serving:
            serving.create_task(self._admin.serve([listeners.admin.sock]))
            serving.create_task(self._serve_clients())
            serving.create_task(self._tell_when_ready())

    async def _serve_clients(self) -> None:
        await self._service.server.serve([self._opening.listeners.data.sock])
        self._admin.should_exit = True  # last, so that /readyz can say what is going on

    async def _tell_when_ready(self) -> None:
        await self._admin.listening.wait()
        await self._service.server.listening.wait()
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
        self._leave()

    def _leave(self) -> None:
        again, self._live.draining = self._live.draining, True
        self._service.server.should_exit = True
        if again:
            self._service.server.force_exit = self._admin.force_exit = self._admin.should_exit = True

    def _hear_hangup(self) -> None:
        if self._opening.at_terminal and not has_terminal():
            self._stop()
        elif self._serving:
            self._reload.begin()

    async def _put_in_force(self, wanted: Settings) -> list[str]:
        return self._service.reload(wanted)

    def _renew(self) -> None:
        """Start a successor, and leave when it serves."""
        if self._serving and not self._live.draining and (self._succession is None or self._succession.done()):
            self._succession = asyncio.create_task(self._hand_over())

    async def _hand_over(self) -> None:
        log("successor_starting")
        listeners, lock = self._opening.listeners, self._opening.lock
        left = {"data": listeners.data.left(), "admin": listeners.admin.left()}
        outcome = await succeed(left, None if lock is None else lock.handle)
        if isinstance(outcome, str):
            log("successor_failed", level=logging.ERROR, why=outcome)
            return
        log("successor_ready", pid=outcome)
        notify(f"MAINPID={outcome}")
        self._service.server.shares = self._admin.shares = True
        self._admin.should_exit = True  # whoever asks from now on is told by the successor
        self._leave()

    # what the admin plane asks

    async def _snapshot(self) -> Snapshot:
        return self._service.snapshot()

    def _more(self) -> dict[str, Any]:
        return {"not_reloaded": self._reload.problems}

    async def _tell_first_token(self) -> None:
        await tell_first_token(self._database.tokens)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
