"""One process that is the whole gateway: database, admin plane, data plane."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Final

import uvicorn

from gateway.admin.app import build_admin
from gateway.admin.bootstrap import ensure_first_token
from gateway.admin.metrics import Figures
from gateway.admin.service import AdminService
from gateway.app.agreed import Agreed
from gateway.app.plane import Needs, data_plane
from gateway.contract.load import Contracts
from gateway.db.lifecycle import Database
from gateway.db.panic import PanicWatch
from gateway.metrics.snapshot import Snapshot
from gateway.proxy.drain import QuietServer
from gateway.proxy.server import data_server, quiet_config
from gateway.rollout.plan import Live, Plan, Source
from gateway.routing.table import RouteTable
from gateway.settings import Settings, split_address
from gateway.telemetry import log
from gateway.upstream.inprocess import App

ADMIN_DRAIN_S: Final = 2.0


class Process:
    """The parts of one gateway process."""

    def __init__(self, settings: Settings, contracts: Contracts | None, new_app: App | None) -> None:
        self.settings = settings
        self.new_app = new_app
        self.live = Live(Plan(RouteTable(() if contracts is None else contracts.routes), {}, Source.DEFAULT))
        self.agreed = Agreed(contracts, self.live)
        self.database = Database(settings.database_url, settings.state, self.live, self._tell_first_token)

    async def run(self, data: socket.socket, admin: socket.socket) -> None:
        """Start every part in order; leaving the stack stops them in the reverse one."""
        settings = self.settings
        async with AsyncExitStack() as parts:
            panic = PanicWatch(settings.state, self.live)
            parts.callback(panic.close)
            parts.push_async_callback(self.database.stop)
            await self.database.start()
            if settings.contracts_folder is not None:
                following = asyncio.create_task(self.agreed.follow(settings.contracts_folder))
                parts.push_async_callback(_end, following)
            needs = Needs(settings, self.live, self.database.evidence, self.agreed.rules, self.new_app)
            plane = await data_plane(needs, parts)

            async def snapshot() -> Snapshot:
                return plane.figures.snapshot()

            servers = [self._admin_server(snapshot), data_server(plane.gateway, drain_s=settings.drain_s)]
            with _stop_on_signals(servers, self.live), _panic_on_signal(panic):
                self._greet()
                log("gateway_ready", listen=settings.listen, admin=settings.admin, legacy=settings.legacy)
                await asyncio.gather(servers[0].serve([admin]), servers[1].serve([data]))

    def _greet(self) -> None:
        """Tell a person at a terminal where everything is; programs read the log."""
        if sys.stdout.isatty():
            settings = self.settings
            sys.stdout.write(f"http://{settings.listen} -> {settings.legacy}   admin: http://{settings.admin}\n")
            sys.stdout.flush()

    async def _tell_first_token(self) -> None:
        secret = await ensure_first_token(self.database.tokens)
        if secret is not None:
            sys.stdout.write(f"The first admin token, shown only now: {secret}\n")
            sys.stdout.flush()

    def _admin_server(self, figures: Figures) -> uvicorn.Server:
        database, has_new = self.database, self.settings.new is not None
        service = AdminService(database.flags, self.live, database.evidence, has_new=has_new)
        hosts = [split_address(self.settings.admin)[0], *self.settings.admin_hosts]
        app = build_admin(service=service, tokens=database.tokens, live=self.live, figures=figures, allowed_hosts=hosts)
        return QuietServer(quiet_config(app, ws="none"), drain_s=ADMIN_DRAIN_S)


@contextmanager
def _stop_on_signals(servers: list[uvicorn.Server], live: Live) -> Iterator[None]:
    """The first signal drains both planes, the second ends them at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        live.draining = True
        for server in servers:
            server.force_exit = server.should_exit
            server.should_exit = True

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    try:
        yield
    finally:
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(name)


@contextmanager
def _panic_on_signal(panic: PanicWatch) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, panic.tell)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
