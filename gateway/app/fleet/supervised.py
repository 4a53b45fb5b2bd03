"""The data plane by several workers, as the process with the admin plane has it."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from gateway.app.agreed import Agreed
from gateway.app.fleet.hello import Hello, packed_settings
from gateway.app.fleet.workers import Workers
from gateway.app.service import Entrance, in_force
from gateway.contract.carry import packed
from gateway.contract.load import Contracts
from gateway.metrics.catalogue import WORKERS
from gateway.metrics.process import process_figures
from gateway.metrics.snapshot import Snapshot, counted, merge
from gateway.proxy.drain import take_backlog
from gateway.rollout.plan import Live
from gateway.settings.model import Settings
from gateway.telemetry import counters

# What only the process with the admin plane acts on: new workers do not change it.
OURS: Final = frozenset({"listen", "admin", "admin_hosts", "database_url", "state", "workers", "contracts"})


@dataclass(frozen=True, slots=True)
class Around:
    """What the workers are told of the process around them."""

    live: Live
    agreed: Agreed
    database: str


class Supervised:
    """Workers in service. `supervised` makes and ends it."""

    def __init__(self, settings: Settings, around: Around, entrance: Entrance) -> None:
        self._settings = settings
        self._around = around
        self._sock: socket.socket = entrance.sock
        self._shared = entrance.kept
        self._left, self._gone = asyncio.Event(), asyncio.Event()
        self.listening = asyncio.Event()
        self.workers = Workers(settings.workers, entrance.sock, self._hello)
        around.agreed.tell = self._tell_contracts

    async def serve(self) -> None:
        """Serve until told to leave, and until everybody is served."""
        self.listening.set()
        await self._left.wait()
        if not self._shared:
            await take_backlog([self._sock], given_up=self._gone.is_set)
        self._sock.close()
        await self.workers.end(self._settings.drain_s)

    def leave(self, *, succeeded: bool) -> None:
        """Serve whoever is here, and go; when it is `succeeded`, a successor accepts from the same socket."""
        self._shared = self._shared or succeeded
        self._left.set()

    def leave_now(self) -> None:
        """Go."""
        self._left.set()
        self._gone.set()
        self.workers.hurry()

    def panic(self) -> None:
        """Send everything to legacy, now."""
        self.workers.signal(signal.SIGUSR1)

    async def reload(self, wanted: Settings) -> list[str]:
        """Put other settings in force; a sentence for each thing that is not."""
        self._settings, problems = in_force(self._settings, wanted)
        return problems + await self.workers.order("settings", settings=packed_settings(self._settings))

    async def renew(self, wanted: Settings) -> bool:
        """Have new workers take over one by one, with new code and all new settings but our own; False: not all."""
        before = self._settings
        kept = {name: getattr(before, name) for name in OURS}
        self._settings = wanted.model_copy(update=kept)
        renewed = await self.workers.renew(before.drain_s)
        if not renewed:
            self._settings = before
        return renewed

    async def snapshot(self) -> Snapshot:
        """The figures of all, what this process has counted (the keeper's, too) and costs; it is no worker."""
        own = {name: rows for name, rows in process_figures().items() if name != WORKERS.name}
        return merge([await self.workers.snapshot(), counted(counters), own])

    def more(self) -> dict[str, Any]:
        """Each worker; the gateway is ready while one of them is."""
        status = self.workers.status(sum(flag.version for flag in self._around.live.known.flags.values()))
        return {"workers": status, "ready": any(worker["ready"] for worker in status)}

    def _hello(self, number: int) -> Hello:
        return Hello(number, self._settings, self._around.agreed.contracts, self._around.database)

    async def _tell_contracts(self, contracts: Contracts) -> None:
        await self.workers.order("contracts", contracts=packed(contracts))


@asynccontextmanager
async def supervised(settings: Settings, around: Around, entrance: Entrance) -> AsyncIterator[Supervised]:
    """Start the workers; end those who are still there at the end."""
    these = Supervised(settings, around, entrance)
    try:
        await these.workers.start()
        yield these
    finally:
        await these.workers.end(0)
