"""A request's body as an app receives it: part by part, and none lost when the one that waits is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

from gateway.upstream.patience import Patience

Message = MutableMapping[str, Any]


class Upload:
    """The parts of one body. A cancelled `part` leaves its part to the next one.

    Cancelling the read of an async generator would end it, and half an upload would look like a whole one.
    So a task of its own reads each part, and only `close` cancels that.
    """

    def __init__(self, body: AsyncIterator[bytes] | bytes | None, patience: Patience) -> None:
        self._body = body
        self._patience = patience
        self._turn = asyncio.Lock()
        self._pulling: asyncio.Task[bytes | None] | None = None
        self._over = False

    async def part(self) -> Message | None:
        """The next `http.request`, None after the last; an exception of the body's stream passes through."""
        async with self._turn:
            if self._over:
                return None
            if self._body is None or isinstance(self._body, bytes):
                await asyncio.sleep(0)  # starlette's is_disconnected() cancels at the first await, and drops the rest
                self._over = True
                return _request(self._body or b"", more=False)
            if self._pulling is None:
                self._pulling = asyncio.create_task(_next(self._body))
                self._pulling.add_done_callback(_look_at)
            pulling = self._pulling
            with self._patience.excused():
                await asyncio.wait({pulling})
            self._pulling = None
            self._over = True  # unless it was a part
            if pulling.cancelled():
                return None
            chunk = pulling.result()
            self._over = chunk is None
            return _request(chunk or b"", more=chunk is not None)

    def close(self) -> None:
        """Nobody wants the rest."""
        self._over = True
        if self._pulling is not None:
            self._pulling.cancel()


async def _next(body: AsyncIterator[bytes]) -> bytes | None:
    return await anext(body, None)


def _look_at(pulling: asyncio.Task[bytes | None]) -> None:
    """Nobody may come for a part; then asyncio would report its exception as lost."""
    if not pulling.cancelled():
        pulling.exception()


def _request(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}
