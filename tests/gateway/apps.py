"""New sides that run in the gateway's process and fail, each in its own way."""

from __future__ import annotations

import asyncio
import os
from typing import Any


def refuses() -> Any:
    """Say in the lifespan that it cannot start."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "there is no key"})

    return app


def dies() -> Any:
    """End the process with a code of its own."""
    os._exit(7)


def fails_late() -> Any:
    """Tell what it does, and fail at every request after a while."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["strangler.run"] = {}
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await asyncio.sleep(2)
            raise ValueError("a bug")

    return app
