"""An app in this process is started and stopped, and cannot take the process with it."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from gateway.upstream.lifespan import StartupFailed, lifespan
from tests.gateway.upstream.asking import Receive, Scope, Send


async def test_the_lifespan_gives_its_state() -> None:
    """Start-up and shutdown run once, and what start-up keeps reaches every request."""
    events: list[str] = []

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        while scope["type"] == "lifespan":
            message = await receive()
            events.append(message["type"])
            scope["state"]["db"] = "pool"
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async with lifespan(app) as state:
        assert state == {"db": "pool"}
    assert events == ["lifespan.startup", "lifespan.shutdown"]


async def test_an_app_without_a_lifespan_is_fine() -> None:
    """An app that refuses the lifespan scope is started all the same."""

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"

    async with lifespan(app) as state:
        assert state == {}


async def test_a_failed_startup_is_told() -> None:
    """An app that cannot start says why."""

    async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(StartupFailed, match="no database"):
        async with lifespan(app):
            raise AssertionError("must not run")


@pytest.mark.parametrize("ending", [SystemExit(3), KeyboardInterrupt()])
async def test_sys_exit_at_startup_is_a_failed_startup(ending: BaseException) -> None:
    """An app that ends itself while it starts is a failed start-up, told by the gateway."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise ending

    with pytest.raises(StartupFailed, match=type(ending).__name__):
        async with lifespan(app):
            raise AssertionError("must not run")


async def test_sys_exit_at_shutdown_does_not_end_the_gateway() -> None:
    """An app that ends itself after it has started takes nothing with it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise SystemExit

    async with lifespan(app) as state:
        assert state == {}
