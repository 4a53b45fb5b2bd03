"""The data plane of one process in service: its server, and the parts behind it, which a reload replaces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from gateway.app.opening import CannotStart
from gateway.app.plane import DataPlane, Needs, data_plane
from gateway.metrics.snapshot import Snapshot
from gateway.proxy.ledger import Ledger
from gateway.proxy.line_writer import LineWriter
from gateway.proxy.server import adopt, data_server
from gateway.settings import Settings, is_origin
from gateway.upstream.inprocess import App, InProcess
from gateway.upstream.lifespan import lifespan
from gateway.upstream.reach import trust

LOOK_S: Final = 0.5

# What a reload puts in force; the rest is read once, at the start (`Settings` has the meanings).
RELOADED: Final = frozenset({
    "legacy", "legacy_ca", "new_ca", "legacy_host", "side_header", "trusted_proxies", "connect_timeout_s", "timeout_s",
    "idle_timeout_s", "upload_timeout_s", "drain_s", "max_connections", "max_waiting", "max_wait_s", "dns_ttl_s",
    "breaker_misses", "breaker_open_s", "breaker_longest_s", "shadow_queue", "shadow_bytes", "shadow_concurrency",
    "shadow_timeout_s", "capture_bytes", "websocket_idle_s",
})  # fmt: skip


class DataService:
    """The server and what it serves with. `data_service` makes it and ends it."""

    def __init__(self, settings: Settings, needs: Needs, *, writer: LineWriter | None, new: InProcess | None) -> None:
        self._settings = settings
        self._needs, self._writer, self._new = needs, writer, new
        self._ledger = Ledger() if writer is None else Ledger(share=settings.access_log, write=writer.write)
        self._plane = self._made(settings)
        self._retired: set[asyncio.Task[None]] = set()
        self.server = data_server(self._plane.gateway, drain_s=settings.drain_s)

    def snapshot(self) -> Snapshot:
        """The figures of this process."""
        return self._plane.figures.snapshot()

    def reload(self, wanted: Settings) -> list[str]:
        """Put other settings in force, open the access log and the files of certificates anew.

        The names of changed settings that need a start come back. Requests under way end with the parts they began
        with. OSError changes nothing.
        """
        changed = {name for name in Settings.model_fields if getattr(wanted, name) != getattr(self._settings, name)}
        now = {name for name in changed if self._can_change(name, wanted)}
        settings = self._settings.model_copy(update={name: getattr(wanted, name) for name in now})
        trust.cache_clear()
        plane = self._made(settings)
        if self._writer is not None:
            self._writer.reopen()
        retired, self._plane, self._settings = self._plane, plane, settings
        self.server.drain_s = settings.drain_s
        adopt(self.server, plane.gateway)
        ending = asyncio.create_task(_end(retired))
        self._retired.add(ending)
        ending.add_done_callback(self._retired.discard)
        return sorted(changed - now)

    async def aclose(self) -> None:
        """End the parts, those that were replaced too."""
        for ending in self._retired:
            ending.cancel()
        await asyncio.gather(*self._retired, self._plane.aclose(), return_exceptions=True)

    def _made(self, settings: Settings) -> DataPlane:
        return data_plane(settings, self._needs, ledger=self._ledger, new=self._new)

    def _can_change(self, name: str, wanted: Settings) -> bool:
        """A new side may move to another URL; one that runs in this process is loaded once."""
        if name == "new":
            return all(new is not None and is_origin(new) for new in (wanted.new, self._settings.new))
        return name in RELOADED


@asynccontextmanager
async def data_service(settings: Settings, needs: Needs, app: App | None) -> AsyncIterator[DataService]:
    """Start the access log, a new side that runs in this process, and the parts; end them in the reverse order."""
    async with AsyncExitStack() as parts:
        writer = _writer(settings)
        if writer is not None:
            parts.push_async_callback(asyncio.to_thread, writer.close)
        new = None
        if app is not None:
            state = await parts.enter_async_context(lifespan(app))
            new = InProcess(app, state=state, idle_timeout_s=settings.idle_timeout_s)
            parts.push_async_callback(new.aclose)
        service = DataService(settings, needs, writer=writer, new=new)
        parts.push_async_callback(service.aclose)
        yield service


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
    finally:
        await plane.aclose()
