"""The contracts that this process acts on: what was loaded last without a problem."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from gateway.contract.load import Contracts, load
from gateway.contract.watch import changes
from gateway.diff.rules import Rules
from gateway.rollout.plan import Live
from gateway.routing.table import RouteTable
from gateway.telemetry import log


class Agreed:
    """Contracts in force; their routes are put into `live`."""

    def __init__(self, contracts: Contracts | None, live: Live) -> None:
        self._contracts = contracts
        self._live = live

    def rules(self, route: str) -> Rules:
        """What a route's sides may differ in."""
        return Rules() if self._contracts is None else self._contracts.rules(route)

    async def follow(self, folder: Path) -> None:
        """Put edited contracts in force, for ever."""
        async for _ in changes(folder):
            await self.reload(folder)

    async def reload(self, folder: Path) -> None:
        """Load the folder; files with problems change nothing and are told."""
        loaded = await asyncio.to_thread(load, folder)
        if isinstance(loaded, Contracts):
            self._contracts = loaded
            self._live.reroute(RouteTable(loaded.routes))
            log("contracts_reloaded", routes=len(loaded.routes))
        else:
            log("contracts_refused", level=logging.ERROR, problems=[str(problem) for problem in loaded[:20]])
