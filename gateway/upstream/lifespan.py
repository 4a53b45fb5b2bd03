"""Starts and stops an ASGI app that runs in this process (ASGI lifespan protocol)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from gateway.upstream.call import Message
from gateway.upstream.inprocess import App


class StartupFailed(Exception):  # noqa: N818 - it says what happened
    """The app said that it cannot start, or ended before it had."""


@asynccontextmanager
async def lifespan(app: App) -> AsyncIterator[MutableMapping[str, Any]]:
    """Run the app's start-up, give its state, run its shutdown. An app without a lifespan is fine."""
    state: MutableMapping[str, Any] = {}
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    outgoing: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    task = asyncio.ensure_future(app(scope, incoming.get, outgoing.put))
    incoming.put_nowait({"type": "lifespan.startup"})
    said = await _said(task, outgoing)
    if said is not None and said["type"] == "lifespan.startup.failed":
        raise StartupFailed(said.get("message", "") or "the app gave no reason")
    try:
        yield state
    finally:
        if said is not None and not task.done():
            incoming.put_nowait({"type": "lifespan.shutdown"})
            await _said(task, outgoing)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _said(task: asyncio.Future[None], outgoing: asyncio.Queue[Message]) -> Message | None:
    """The app's next message; None when it ended without one, which means that it has no lifespan."""
    getter = asyncio.ensure_future(outgoing.get())
    waited: set[asyncio.Future[Any]] = {task, getter}
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    if getter.done():
        return getter.result()
    getter.cancel()
    return None
