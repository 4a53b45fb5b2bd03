"""The data plane of one process in service: its server, and the parts behind it, which a reload replaces."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

from gateway.app.machine import (
    descriptors,
    raise_descriptor_limit,
    room_for_clients,
    settle_memory,
    share_python,
)
from gateway.app.opening import CannotStart
from gateway.app.plane import DataPlane, Needs, data_plane
from gateway.app.watch.sentinel import Sentinel
from gateway.metrics.snapshot import Snapshot, lasting, merge
from gateway.proxy.doorkeeper import DoorLimits
from gateway.proxy.ledger import Ledger
from gateway.proxy.line_writer import LineWriter
from gateway.proxy.server import adopt, data_server
from gateway.proxy.tracing.start import start_tracing
from gateway.proxy.unanswered import Open, unanswered
from gateway.settings.addresses import is_origin
from gateway.settings.model import Settings
from gateway.telemetry import log
from gateway.upstream.inprocess import App, InProcess
from gateway.upstream.lifespan import lifespan
from gateway.upstream.reach import trust

if TYPE_CHECKING:  # it imports OpenTelemetry, which need not be there
    from gateway.proxy.tracing.spans import Tracing

LOOK_S: Final = 0.5

# What a reload puts in force; the rest is read once, at the start (`Settings` has the meanings).
RELOADED: Final = frozenset({
    "legacy", "legacy_ca", "new_ca", "legacy_host", "side_header", "trusted_proxies", "trusted_header",
    "connect_timeout_s", "timeout_s", "idle_timeout_s", "upload_timeout_s", "drain_s", "max_connections",
    "max_waiting", "max_wait_s", "dns_ttl_s", "breaker_misses", "breaker_open_s", "breaker_longest_s", "shadow_queue",
    "shadow_bytes", "shadow_concurrency", "shadow_rechecks", "shadow_timeout_s", "shadow_write_s", "capture_bytes",
    "shadow_headers_legacy", "shadow_headers_new", "websocket_idle_s",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where clients come in. `kept`: others have this socket too and it outlives us; `rivals`: and accept from it."""

    sock: socket.socket
    kept: bool
    rivals: bool = False


class DataService:
    """The server and what it serves with. `data_service` makes it and ends it."""

    def __init__(
        self,
        settings: Settings,
        needs: Needs,
        entrance: Entrance,
        *,
        writer: LineWriter | None,
        tracing: Tracing | None,
        new: InProcess | None,
    ) -> None:
        self._settings = settings
        self._needs, self._writer, self._tracing, self._new = needs, writer, tracing, new
        self.ledger = Ledger() if writer is None else Ledger(share=settings.access_log, write=writer.write)
        self._plane = self._made(settings)
        self._retired: dict[asyncio.Task[None], DataPlane] = {}  # what they serve yet is ended by the task
        self._past: Snapshot = {}  # what those that have ended had counted: a counter that falls shows a burst
        self._sock = entrance.sock
        self._server = data_server(
            self._plane.gateway,
            drain_s=settings.drain_s,
            front=settings.front,
            limits=_door_limits(settings),
            announced=settings.proxy_protocol,
        )
        self._server.shares, self._server.has_rivals = entrance.kept, entrance.rivals
        self.listening = self._server.listening

    async def serve(self) -> None:
        """Serve until told to leave, and until everybody is served."""
        settle_memory()
        share_python()
        await self._server.serve([self._sock])

    def leave(self, *, succeeded: bool) -> None:
        """Serve whoever is here, and go; when it is `succeeded`, a successor accepts from the same socket."""
        self._server.shares = self._server.shares or succeeded
        self._server.should_exit = True

    def leave_now(self) -> None:
        """Go."""
        self._server.force_exit = self._server.should_exit = True

    def panic(self) -> None:
        """Do nothing: the plan of this process, which is all there is, has changed already."""

    async def reload(self, wanted: Settings) -> list[str]:
        """Put other settings in force, open the access log and the files of certificates anew.

        A sentence for each thing that is not in force comes back. Requests under way end with the parts they began
        with.
        """
        settings, problems = in_force(self._settings, wanted)
        if self._writer is not None:
            self._writer.reopen()
        if settings == self._settings and settings.legacy_ca is settings.new_ca is None:
            return problems
        trust.cache_clear()
        try:
            plane = self._made(settings)
        except OSError as error:
            return [f"settings: {error.filename} cannot be read: {error.strerror}"]
        retired, self._plane, self._settings = self._plane, plane, settings
        self._server.drain_s = settings.drain_s
        adopt(self._server, plane.gateway)
        ending = asyncio.create_task(_end(retired))
        self._retired[ending] = retired
        ending.add_done_callback(self._buried)
        return problems

    def _buried(self, ending: asyncio.Task[None]) -> None:
        self._past = merge([self._past, lasting(self._retired.pop(ending).figures.parts())])

    async def snapshot(self) -> Snapshot:
        """The figures of this process."""
        self.ledger.connections = len(self._server.server_state.connections)
        retired = (plane.figures.parts() for plane in self._retired.values())
        return merge([self._plane.figures.snapshot(), *retired, self._past])

    def unanswered(self) -> Iterator[list[Open]]:
        """The requests of this process that wait for an answer, in slices."""
        return unanswered(self._server.server_state.connections, self.ledger.entered)

    def more(self) -> dict[str, Any]:
        """Nothing: this process speaks for itself."""
        return {}

    async def aclose(self) -> None:
        """End the parts, those that were replaced too."""
        for ending in self._retired:
            ending.cancel()
        await asyncio.gather(*self._retired, self._plane.aclose(), return_exceptions=True)

    def _made(self, settings: Settings) -> DataPlane:
        return data_plane(settings, self._needs, ledger=self.ledger, tracing=self._tracing, new=self._new)


def _door_limits(settings: Settings) -> DoorLimits:
    guests = room_for_clients(settings.max_clients, descriptors=descriptors(), connections=settings.max_connections)
    if guests < settings.max_clients:
        log("fewer_clients", max_clients=guests, descriptors=descriptors())
    return DoorLimits(
        guests=guests,
        guests_of_one=settings.max_clients_per_address,
        rate_of_one=settings.max_rate_per_client,
        burst_of_one=settings.max_burst_per_client,
        head_bytes=settings.head_bytes,
        head_fields=settings.head_fields,
        target_bytes=settings.target_bytes,
        head_s=settings.head_timeout_s,
        keep_alive_s=settings.keep_alive_s,
        unread_s=settings.send_timeout_s,
    )


def in_force(now: Settings, wanted: Settings) -> tuple[Settings, list[str]]:
    """The settings that a reload puts in force, and a sentence about changed ones that need a start."""
    changed = {name for name in Settings.model_fields if getattr(wanted, name) != getattr(now, name)}
    # a new side may move to another URL; one that runs in this process is loaded once
    moves = all(new is not None and is_origin(new) for new in (now.new, wanted.new))
    taken = {name for name in changed if name in RELOADED or (name == "new" and moves)}
    names = ", ".join(sorted(changed - taken))
    need_a_start = [f"settings: {names} need a new start (SIGUSR2)"] if names else []
    return now.model_copy(update={name: getattr(wanted, name) for name in taken}), need_a_start


@asynccontextmanager
async def data_service(
    settings: Settings, needs: Needs, entrance: Entrance, app: App | None
) -> AsyncIterator[DataService]:
    """Start the access log, traces, a new side that runs in this process, and the parts; end them in reverse."""
    raise_descriptor_limit()
    async with AsyncExitStack() as parts:
        writer = _writer(settings)
        if writer is not None:
            parts.push_async_callback(asyncio.to_thread, writer.close)
        tracing = start_tracing(os.environ)
        if tracing is not None:
            parts.push_async_callback(asyncio.to_thread, tracing.close)
        new = None
        if app is not None:
            state = await parts.enter_async_context(lifespan(app))
            new = InProcess(app, state=state, idle_timeout_s=settings.idle_timeout_s)
            parts.push_async_callback(new.aclose)
        sentinel = _sentinel(settings, needs)
        if sentinel is not None:
            needs = replace(needs, heard=sentinel.heard)
        service = DataService(settings, needs, entrance, writer=writer, tracing=tracing, new=new)
        parts.push_async_callback(service.aclose)
        if sentinel is not None:
            watching = asyncio.create_task(sentinel.watch(service.ledger, service.unanswered))
            parts.push_async_callback(_cancelled, watching)
        yield service


def _sentinel(settings: Settings, needs: Needs) -> Sentinel | None:
    """Who watches the routes of this process, if anybody does."""
    if needs.rollbacks is None or not settings.auto_rollback:
        return None
    name, webhook = f"{socket.gethostname()}/{os.getpid()}/{token_hex(3)}", settings.rollback_webhook is not None
    return Sentinel(needs.live, needs.rollbacks, name, webhook=webhook)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _writer(settings: Settings) -> LineWriter | None:
    if not settings.access_log:
        return None
    try:
        return LineWriter(settings.access_log_file)
    except OSError as error:
        raise CannotStart([f"--access-log-file {settings.access_log_file}: {error.strerror}"]) from error


async def _end(plane: DataPlane) -> None:
    """End parts that were replaced, once nobody uses them; at the end of the process, at once."""
    try:
        while plane.is_busy:  # noqa: ASYNC110 - a pool tells nobody when it has nothing to do
            await asyncio.sleep(LOOK_S)
        await plane.retire()
    except asyncio.CancelledError:
        await plane.aclose()
        raise
