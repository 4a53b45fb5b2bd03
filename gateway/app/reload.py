"""SIGHUP: contracts, settings, certificates and the access log are read anew; what is broken changes nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from gateway.app.agreed import Agreed, counted
from gateway.app.systemd import notify, reloading
from gateway.settings.model import Settings
from gateway.telemetry import log

Reread = Callable[[], Settings | list[str]]
PutInForce = Callable[[Settings], Awaitable[list[str]]]


class Reload:
    """One reload after the other; `problems` says what of the last one was refused, for /readyz."""

    def __init__(self, agreed: Agreed, reread: Reread, put_in_force: PutInForce) -> None:
        self._agreed = agreed
        self._reread = reread
        self._put_in_force = put_in_force
        self._one_at_a_time = asyncio.Lock()
        self._under_way: set[asyncio.Task[None]] = set()
        self._refused: list[str] = []

    @property
    def problems(self) -> list[str]:
        """A sentence for each thing that could not be put in force; the log has the details."""
        return [*([self._agreed.refused] if self._agreed.refused else []), *self._refused]

    def begin(self) -> None:
        """Reload as soon as the one before is over."""
        task = asyncio.create_task(self._reload())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _reload(self) -> None:
        async with self._one_at_a_time:
            notify(*reloading())
            await self._agreed.reload()
            self._refused = await self._settings()
            notify("READY=1")

    async def _settings(self) -> list[str]:
        wanted = await asyncio.to_thread(self._reread)
        if isinstance(wanted, list):
            log("settings_refused", level=logging.ERROR, problems=wanted)
            return [counted("settings", wanted)]
        problems = await self._put_in_force(wanted)
        log("settings_reloaded", problems=problems)
        return problems
