"""The composition root: the only file that knows all parts. It builds them, runs both planes, takes them down."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from secrets import token_hex

import uvicorn
import uvloop

from gateway.admin.app import build_admin
from gateway.admin.bootstrap import ensure_first_token
from gateway.admin.service import AdminService
from gateway.contract.load import Contracts, load
from gateway.contract.watch import changes
from gateway.db.lifecycle import Database
from gateway.diff.rules import Rules
from gateway.message import Side
from gateway.metrics.snapshot import Snapshot
from gateway.proxy.app import Gateway, Limits
from gateway.proxy.figures import Figures
from gateway.proxy.ledger import Ledger
from gateway.proxy.line_writer import LineWriter
from gateway.proxy.outbound import Addressing
from gateway.proxy.server import QuietServer, bind, data_server, quiet_config
from gateway.rollout.plan import Live, Plan, Source
from gateway.routing.table import RouteTable
from gateway.settings import Settings, split_address
from gateway.shadow.mirror import Mirror
from gateway.telemetry import configure_logging, log
from gateway.upstream.http import HttpTransport
from gateway.upstream.inprocess import App, InProcess
from gateway.upstream.lifespan import StartupFailed, lifespan
from gateway.upstream.load import NotLoadable, load_app
from gateway.upstream.transport import Transport


class CannotStart(Exception):  # noqa: N818 - it says what happened
    """Nothing was started; `problems` are sentences for people."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def run(settings: Settings) -> int:
    """Run a gateway until SIGTERM or SIGINT. Raises CannotStart before anything was started."""
    contracts = _contracts(settings)
    new_app = _new_app(settings.new)
    with _bound(settings.listen, "--listen") as data, _bound(settings.admin, "--admin") as admin:
        configure_logging()
        try:
            process = _Process(settings, contracts, new_app)
        except ValueError as error:
            raise CannotStart([f"--database-url: {error}"]) from error
        uvloop.run(process.run(data, admin))
    return 0


class _Process:
    """The parts of one gateway process."""

    def __init__(self, settings: Settings, contracts: Contracts | None, new_app: App | None) -> None:
        self.settings = settings
        self.new_app = new_app
        self.contracts = contracts
        self.live = Live(Plan(RouteTable(() if contracts is None else contracts.routes), {}, Source.DEFAULT))
        self.database = Database(settings.database_url, settings.state, self.live, self._tell_first_token)

    async def run(self, data: socket.socket, admin: socket.socket) -> None:
        """Start every part in order; leaving the stack stops them in the reverse one."""
        async with AsyncExitStack() as parts:
            self.ledger = self._ledger(parts)
            parts.push_async_callback(self.database.stop)
            await self.database.start()
            folder = self.settings.contracts_folder
            if folder is not None:
                parts.push_async_callback(_end, asyncio.create_task(self._follow_contracts(folder)))
            gateway = await self._gateway(parts)
            servers = [self._admin_server(), data_server(gateway, drain_s=self.settings.drain_s)]
            with _stop_on_signals(servers, self.live):
                self._greet()
                settings = self.settings
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

    async def _follow_contracts(self, folder: Path) -> None:
        """Put edited contracts in force; files with problems change nothing and are told."""
        async for _ in changes(folder):
            loaded = await asyncio.to_thread(load, folder)
            if isinstance(loaded, Contracts):
                self.contracts = loaded
                self.live.reroute(RouteTable(loaded.routes))
                log("contracts_reloaded", routes=len(loaded.routes))
            else:
                log("contracts_refused", level=logging.ERROR, problems=[str(problem) for problem in loaded[:20]])

    async def _gateway(self, parts: AsyncExitStack) -> Gateway:
        settings = self.settings
        origins = {Side.LEGACY: settings.legacy}
        if settings.new is not None and self.new_app is None:
            origins[Side.NEW] = settings.new
        front, behind = self._transports(origins), self._transports(origins)
        if self.new_app is not None:
            state = await parts.enter_async_context(lifespan(self.new_app))
            front[Side.NEW] = behind[Side.NEW] = InProcess(
                self.new_app, state=state, idle_timeout_s=settings.idle_timeout_s
            )
        for transport in {*front.values(), *behind.values()}:
            parts.push_async_callback(transport.aclose)
        mirror = Mirror(
            behind,
            self._rules,
            self.database.evidence,
            queue=settings.shadow_queue,
            held_bytes=settings.shadow_bytes,
            concurrency=settings.shadow_concurrency,
            timeout_s=settings.shadow_timeout_s,
            cap=settings.capture_bytes,
        )
        mirror.start()
        parts.push_async_callback(mirror.aclose)
        self.figures = Figures(self.ledger, self.live, mirror, pools=lambda: ())
        return Gateway(
            live=self.live,
            transports=front,
            origins=origins,
            addressing=Addressing.of(
                f"strangler-{token_hex(4)}", settings.legacy, origins.get(Side.NEW), settings.legacy_host
            ),
            mirror=mirror,
            limits=Limits(settings.timeout_s, settings.connect_timeout_s, settings.capture_bytes),
            trusted=settings.trusted_proxies,
            names_side=settings.side_header,
        )

    def _ledger(self, parts: AsyncExitStack) -> Ledger:
        if not self.settings.access_log:
            return Ledger()
        try:
            writer = LineWriter(self.settings.access_log_file)
        except OSError as error:
            raise CannotStart([f"--access-log-file {self.settings.access_log_file}: {error.strerror}"]) from error
        parts.push_async_callback(asyncio.to_thread, writer.close)
        return Ledger(share=self.settings.access_log, write=writer.write)

    async def _snapshot(self) -> Snapshot:
        return self.figures.snapshot()

    def _rules(self, route: str) -> Rules:
        return Rules() if self.contracts is None else self.contracts.rules(route)

    def _transports(self, origins: dict[Side, str]) -> dict[Side, Transport]:
        """One transport a side; called twice, because copies must not use up the clients' connections."""
        return {
            side: HttpTransport(
                origin,
                side=side,
                connect_timeout_s=self.settings.connect_timeout_s,
                idle_timeout_s=self.settings.idle_timeout_s,
                body_idle_timeout_s=self.settings.upload_timeout_s,
                max_connections=self.settings.max_connections,
            )
            for side, origin in origins.items()
        }

    def _admin_server(self) -> uvicorn.Server:
        database, has_new = self.database, self.settings.new is not None
        service = AdminService(database.flags, self.live, database.evidence, has_new=has_new)
        hosts = [split_address(self.settings.admin)[0], *self.settings.admin_hosts]
        app = build_admin(
            service=service, tokens=database.tokens, live=self.live, figures=self._snapshot, allowed_hosts=hosts
        )
        return QuietServer(quiet_config(app, ws="none", timeout_graceful_shutdown=2))


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


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _contracts(settings: Settings) -> Contracts | None:
    folder = settings.contracts_folder
    if folder is None:
        return None
    loaded = load(folder)
    if isinstance(loaded, Contracts):
        return loaded
    raise CannotStart([str(problem) for problem in loaded])


def _new_app(new: str | None) -> App | None:
    if new is None or "://" in new:
        return None
    try:
        return load_app(new)
    except NotLoadable as error:
        raise CannotStart([f"--new {error}"]) from error


def _bound(address: str, option: str) -> socket.socket:
    try:
        return bind(address)
    except OSError as error:
        _, port = split_address(address)
        raise CannotStart([f"{option} {address}: cannot listen on port {port}: {error.strerror}"]) from error


__all__ = ["CannotStart", "StartupFailed", "run"]
