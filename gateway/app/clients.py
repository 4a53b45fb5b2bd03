"""Who serves the clients of a gateway: its one process, or its workers."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from gateway.metrics.snapshot import Snapshot
from gateway.settings.model import Settings


class Clients(Protocol):
    """What the process with the admin plane wants of them."""

    listening: asyncio.Event

    async def serve(self) -> None:
        """Serve until told to leave, and until everybody is served."""

    def leave(self, *, succeeded: bool) -> None:
        """Serve whoever is here, and go; when it is `succeeded`, a successor accepts from the same socket."""

    def leave_now(self) -> None:
        """Go."""

    def panic(self) -> None:
        """Send everything to legacy, now, where a file would come too late or not at all."""

    async def reload(self, wanted: Settings) -> list[str]:
        """Put other settings in force; a sentence for each thing that is not."""

    async def snapshot(self) -> Snapshot:
        """The figures of all."""

    def more(self) -> dict[str, Any]:
        """What /readyz says of them."""
