"""The composition root: the only file that knows all parts. It builds them, runs both planes, takes them down."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from secrets import token_hex

import uvicorn
import uvloop

from gateway.admin.app import build_admin
from gateway.admin.bootstrap import ensure_first_token
from gateway.admin.service import AdminService
from gateway.contract.load import Contracts, load
from gateway.db.embedded import EmbeddedPostgres, EmbeddedPostgresError
from gateway.db.engine import DatabaseDown, make_engine
from gateway.db.evidence import EvidenceStore
from gateway.db.flags import FlagStore
from gateway.db.migrate import MigrationRefused, upgrade
from gateway.db.snapshot import SnapshotFile, Unusable
from gateway.db.tokens import TokenStore
from gateway.db.watch import FlagWatch
from gateway.diff.rules import Rules
from gateway.message import Side
from gateway.proxy.app import Gateway, Limits
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

FIRST_FLAGS_S = 2.0  # how long the data plane waits for flags at start before it goes without (acceptance 21)


class CannotStart(Exception):  # noqa: N818 - it says what happened
    """Nothing was started; `problems` are sentences for people."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def run(settings: Settings) -> int:
    """Run a gateway until SIGTERM or SIGINT. Raises CannotStart before anything was started."""
    contracts = _contracts(settings)
    new_app = _new_app(settings.new)
    sockets = [_bind(settings.listen, "--listen"), _bind(settings.admin, "--admin")]
    configure_logging()
    uvloop.run(_Process(settings, contracts, new_app).run(*sockets))
    return 0


class _Process:
    """The parts of one gateway process."""

    def __init__(self, settings: Settings, contracts: Contracts | None, new_app: App | None) -> None:
        self.settings = settings
        self.new_app = new_app
        self.contracts = contracts
        self.live = Live(Plan(RouteTable(() if contracts is None else contracts.routes), {}, Source.DEFAULT))
        self.embedded = None if settings.database_url else EmbeddedPostgres(settings.state / "postgres")
        self.database_url = settings.database_url or (self.embedded.url if self.embedded else "")
        self.engine = make_engine(self.database_url)
        self.flags = FlagStore(self.engine)
        self.tokens = TokenStore(self.engine)
        self.evidence = EvidenceStore(self.engine)
        self.snapshot = SnapshotFile(settings.state / "flags.json")
        self.watch = FlagWatch(self.database_url, self.flags, self.live, self.snapshot)

    async def run(self, data: socket.socket, admin: socket.socket) -> None:
        """Start every part in order; leaving the stack stops them in the reverse one."""
        async with AsyncExitStack() as parts:
            if self.embedded is not None:
                parts.push_async_callback(asyncio.to_thread, self.embedded.stop)
            parts.push_async_callback(self.engine.dispose)
            prepared = asyncio.create_task(self._prepare())
            parts.push_async_callback(_end, asyncio.create_task(self._follow(prepared)))
            await self._first_flags(prepared)
            gateway = await self._gateway(parts)
            servers = [self._admin_server(), data_server(gateway, drain_s=self.settings.drain_s)]
            with _stop_on_signals(servers):
                log(
                    "gateway_ready", listen=self.settings.listen, admin=self.settings.admin, legacy=self.settings.legacy
                )
                await asyncio.gather(servers[0].serve([admin]), servers[1].serve([data]))

    async def _follow(self, prepared: asyncio.Task[None]) -> None:
        """Follow the flags for ever, and bring an embedded database that died up again."""
        async with asyncio.TaskGroup() as group:
            await prepared
            group.create_task(self.watch.run())
            while self.embedded is not None:
                await asyncio.sleep(1)
                if not await asyncio.to_thread(self.embedded.is_running):
                    log("embedded_postgres_died", level=logging.ERROR)
                    await self._prepare()

    async def _prepare(self) -> None:
        """Bring the database up and its tables to the newest version, however long that takes."""
        while True:
            try:
                if self.embedded is not None:
                    await asyncio.to_thread(self.embedded.start)
                await asyncio.to_thread(upgrade, self.database_url, "gateway")
                secret = await ensure_first_token(self.tokens)
            except (EmbeddedPostgresError, DatabaseDown, MigrationRefused) as error:
                self.live.why_stale = str(error)
                log("database_not_ready", level=logging.ERROR, why=str(error))
                await asyncio.sleep(1)
                continue
            if secret is not None:
                sys.stdout.write(f"The first admin token, shown only now: {secret}\n")
                sys.stdout.flush()
            return

    async def _first_flags(self, prepared: asyncio.Task[None]) -> None:
        """Act on the database's flags if it is quick, else on the last-known-good ones."""
        await asyncio.wait({prepared}, timeout=FIRST_FLAGS_S)
        if prepared.done():
            await self.watch.start()
            return
        known = await asyncio.to_thread(self.snapshot.read)
        if not isinstance(known, Unusable):
            self.live.replace(known, Source.SNAPSHOT)

    async def _gateway(self, parts: AsyncExitStack) -> Gateway:
        settings = self.settings
        origins = {Side.LEGACY: settings.legacy}
        if settings.new is not None and self.new_app is None:
            origins[Side.NEW] = settings.new
        front, behind = self._transports(origins), self._transports(origins)
        if self.new_app is not None:
            state = await parts.enter_async_context(lifespan(self.new_app))
            front[Side.NEW] = behind[Side.NEW] = InProcess(self.new_app, state=state)
        for transport in {*front.values(), *behind.values()}:
            parts.push_async_callback(transport.aclose)
        mirror = Mirror(
            behind,
            self._rules,
            self.evidence,
            queue=settings.shadow_queue,
            concurrency=settings.shadow_concurrency,
            timeout_s=settings.shadow_timeout_s,
            cap=settings.capture_bytes,
        )
        mirror.start()
        parts.push_async_callback(mirror.aclose)
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
                max_connections=self.settings.max_connections,
            )
            for side, origin in origins.items()
        }

    def _admin_server(self) -> uvicorn.Server:
        service = AdminService(self.flags, self.live, self.evidence, has_new=self.settings.new is not None)
        host, _ = split_address(self.settings.admin)
        app = build_admin(service=service, tokens=self.tokens, live=self.live, allowed_hosts=[host])
        return QuietServer(quiet_config(app, ws="none", timeout_graceful_shutdown=2))


@contextmanager
def _stop_on_signals(servers: list[uvicorn.Server]) -> Iterator[None]:
    """The first signal drains both planes, the second ends them at once."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
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
    raise CannotStart([f"{problem.file}:{problem.line}: {problem.sentence}" for problem in loaded])


def _new_app(new: str | None) -> App | None:
    if new is None or "://" in new:
        return None
    try:
        return load_app(new)
    except NotLoadable as error:
        raise CannotStart([f"--new {error}"]) from error


def _bind(address: str, option: str) -> socket.socket:
    try:
        return bind(address)
    except OSError as error:
        _, port = split_address(address)
        raise CannotStart([f"{option} {address}: cannot listen on port {port}: {error.strerror}"]) from error


__all__ = ["CannotStart", "StartupFailed", "run"]
