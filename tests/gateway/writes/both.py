"""The gateway before a legacy URL and a new side that runs in its process, and writes sent to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from gateway.contract.load import Contracts, load
from gateway.diff.rules import Rules
from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from gateway.routing.route import Route
from gateway.upstream.lifespan import lifespan
from services.app import build
from tests.gateway.proxy.harness import Reply, Served, ask, gateway

CONTRACTS = Path(__file__).parents[3] / "contracts"


@cache
def contracts() -> Contracts:
    """Our own contracts: their routes and rules are what a shadowed write is judged by."""
    loaded = load(CONTRACTS, today=date(2026, 11, 21))
    assert isinstance(loaded, Contracts)
    return loaded


def rules() -> dict[str, Rules]:
    return {key: contracts().rules(key) for key in contracts().by_key}


@asynccontextmanager
async def both(
    legacy: str,
    *,
    app: FastAPI | Callable[..., Any] | None = None,
    stage: Stage = Stage.SHADOW,
    routes: Iterable[Route] | None = None,
    **more: Any,
) -> AsyncIterator[Served]:
    """Serve our routes, each in one stage; `app` is another new side than ours."""
    new = build() if app is None else app
    known = contracts().routes if routes is None else tuple(routes)
    flags = [Flag(route.key, stage=stage, canary=10_000 if stage is Stage.CANARY else 0) for route in known]
    async with (
        lifespan(new) as state,
        gateway(legacy, routes=known, flags=flags, new=new, new_state=state, rules=rules(), **more) as served,
    ):
        yield served


async def send(served: Served, method: str, path: str, value: object, *headers: str) -> Reply:
    """Send JSON and read the answer."""
    body = json.dumps(value).encode()
    lines = [f"{method} {path} HTTP/1.1", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return await ask(served.port, "\n".join(lines).encode(), body)


async def settled(served: Served) -> None:
    """Wait until nothing of a rehearsal is under way."""
    rehearsals = served.gateway.rehearsals
    assert rehearsals is not None
    async with asyncio.timeout(30):
        while rehearsals.under_way:  # noqa: ASYNC110 - nobody is told when there are none
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.7)  # longer than findings wait for their batch
