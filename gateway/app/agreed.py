"""The contracts that this process acts on: what was loaded last without a problem."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from gateway.contract.load import Contracts, load
from gateway.contract.watch import changes
from gateway.diff.rules import Rules
from gateway.rollout.plan import Live
from gateway.routing.table import RouteTable
from gateway.routing.template import Template
from gateway.shadow.record import Recorder
from gateway.shadow.redact import Keyed
from gateway.shadow.revision import revision_of
from gateway.telemetry import log


def counted(what: str, problems: Sequence[object]) -> str:
    """A sentence for /readyz, which tells nobody's files to strangers."""
    return f"{what}: {len(problems)} problem{'s' if len(problems) != 1 else ''}"


class Agreed:
    """Contracts in force, from a folder or (None) nothing; their routes are put into `live`."""

    def __init__(self, folder: Path | None, contracts: Contracts | None, live: Live) -> None:
        self._folder = folder
        self.tell: Callable[[Contracts], Awaitable[None]] = _nobody  # who else is to act on them
        self.contracts = contracts
        self._live = live
        self.new_version = ""  # of the new side's code
        self.refused = ""  # what /readyz says when the files are not what is in force

    def rules(self, route: str) -> Rules:
        """What a route's sides may differ in."""
        return Rules() if self.contracts is None else self.contracts.rules(route)

    def secret_names(self, route: str) -> frozenset[str]:
        """The names of values that a route wants hidden in evidence."""
        contract = None if self.contracts is None else self.contracts.by_key.get(route)
        return frozenset() if contract is None else contract.route.redact

    def template(self, route: str) -> Template | None:
        """A route's path."""
        contract = None if self.contracts is None else self.contracts.by_key.get(route)
        return None if contract is None else contract.route.template

    def recorder(self, mask: Keyed) -> Recorder:
        """What makes findings of exchanges with the new side there is now."""
        names, template = self.secret_names, self.template
        return Recorder(mask, new_version=self.new_version, names_of=names, template_of=template)

    def revision(self, route: str) -> str:
        """The revision of a route: its evidence counts while this stays the same."""
        return revision_of(self.rules(route), self.new_version)

    def take(self, contracts: Contracts) -> None:
        """Put contracts in force."""
        self.contracts = contracts
        self._live.reroute(RouteTable(contracts.routes))

    async def follow(self) -> None:
        """Put edited contracts in force, for ever."""
        if self._folder is not None:
            async for _ in changes(self._folder):
                try:
                    await self.reload()
                except Exception as bug:  # noqa: BLE001 - what is in force stays, and the next edit is read again
                    self.refused = "contracts: the last edit could not be read"
                    log("contracts_bug", level=logging.ERROR, bug=bug)

    async def reload(self) -> None:
        """Load the folder; files with problems change nothing and are told."""
        if self._folder is None:
            return
        loaded = await asyncio.to_thread(load, self._folder)
        if isinstance(loaded, Contracts):
            self.refused = ""
            self.take(loaded)
            await self.tell(loaded)
            log("contracts_reloaded", routes=len(loaded.routes))
        else:
            self.refused = counted("contracts", loaded)
            log("contracts_refused", level=logging.ERROR, problems=[str(problem) for problem in loaded[:20]])


async def _nobody(_contracts: Contracts) -> None:
    """There is one process."""
