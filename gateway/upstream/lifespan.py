"""Starts and stops an ASGI app that runs in this process (ASGI lifespan protocol)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from gateway.upstream.call import GRACE_S
from gateway.upstream.crash import tell
from gateway.upstream.inprocess import App
from gateway.upstream.upload import Message


class StartupFailed(Exception):  # noqa: N818 - it says what happened
    """The app said that it cannot start, or ended before it had."""


@asynccontextmanager
async def lifespan(app: App) -> AsyncIterator[MutableMapping[str, Any]]:
    """Run the app's start-up, give its state, run its shutdown. An app without a lifespan is fine."""
    state: MutableMapping[str, Any] = {}
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    outgoing: asyncio.Queue[Message] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    task = asyncio.create_task(_run(app, scope, incoming, outgoing))
    incoming.put_nowait({"type": "lifespan.startup"})
    said: Message | None = None
    try:
        said = await _said(task, outgoing)
        if said is not None and said["type"] == "lifespan.startup.failed":
            raise StartupFailed(said.get("message", "") or "the app gave no reason")
        if said is None and not isinstance(task.result(), Exception | None):
            raise StartupFailed(f"the app ended itself with {type(task.result()).__name__}")
        yield state
    finally:
        if said is not None and said["type"] == "lifespan.startup.complete" and not task.done():
            incoming.put_nowait({"type": "lifespan.shutdown"})
            await _said(task, outgoing)
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE_S)


async def _run(
    app: App, scope: MutableMapping[str, Any], incoming: asyncio.Queue[Message], outgoing: asyncio.Queue[Message]
) -> BaseException | None:
    """What the app raised; nothing of it may escape a task, where SystemExit would end the loop."""
    told = False

    async def send(message: Message) -> None:
        nonlocal told
        told = True
        outgoing.put_nowait(message)

    try:
        await app(scope, incoming.get, send)
    except asyncio.CancelledError as cancelled:
        return cancelled  # at the end of the lifespan, or the app's own
    except BaseException as bug:  # noqa: BLE001 - the border to other people's code
        if told:  # before it has said anything, an exception means that it has no lifespan
            tell(bug)
        return bug
    return None


async def _said(task: asyncio.Task[BaseException | None], outgoing: asyncio.Queue[Message]) -> Message | None:
    """The app's next message; None when it ended without one, which means that it has no lifespan."""
    getter = asyncio.ensure_future(outgoing.get())
    waited: set[asyncio.Future[Any]] = {task, getter}
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
    if getter.done():
        return getter.result()
    getter.cancel()
    return None
