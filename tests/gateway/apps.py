"""New sides that run in the gateway's process and cannot start, each in its own way."""

from __future__ import annotations

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
