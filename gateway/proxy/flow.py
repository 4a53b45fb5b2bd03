"""A client's connection that is not read for now is looked at all the same: who does not read hears of no reset.

A client that only ends its half stays: behind what is not read yet it may have said everything.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl

from gateway.relay.tunnel import is_broken

LOOK_S: Final = 0.5


class WatchedFlow(FlowControl):
    """uvicorn's, which ends a connection that is reset while it waits."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(transport)
        self._loop = loop
        self._looking = False

    def pause_reading(self) -> None:
        """Read no more for now."""
        super().pause_reading()
        if not self._looking:
            self._looking = True
            self._loop.call_later(LOOK_S, self._look)

    def _look(self) -> None:
        self._looking = False
        if not self.read_paused or self._transport.is_closing():
            return
        if is_broken(self._transport, also_ended=False):
            self._transport.abort()
        else:
            self._looking = True
            self._loop.call_later(LOOK_S, self._look)
