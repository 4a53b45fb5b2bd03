"""A new side whose handlers a test writes, asked the way the gateway asks in a rehearsal."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from alembic import command
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response

from services.app import build
from services.kit.route import Route

from .asgi import Answer, Caller
from .test_migrations import alembic

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class Rehearsed:
    """An answer, and what the gateway was told on the way to it."""

    answer: Answer
    told: list[dict[str, Any]] = field(default_factory=list)

    def kinds(self) -> list[str]:
        return [message["type"].removeprefix("unit.") for message in self.told]

    def of(self, kind: str) -> dict[str, Any]:
        (found,) = [message for message in self.told if message["type"] == f"unit.{kind}"]
        return found


def prepared(database_url: str) -> None:
    """Bring a legacy database to the new side's newest schema."""
    command.upgrade(alembic(database_url), "head")


def with_handler(handler: Handler, path: str = "/api/tried") -> FastAPI:
    """The new side with one more handler, at POST `path`."""
    router = APIRouter(route_class=Route)
    router.post(path)(handler)
    app = build()
    app.router.routes.extend(router.routes)
    return app


async def rehearse(
    client: Caller, target: str, body: object = None, *, method: str = "POST", budget_s: float = 2.0
) -> Rehearsed:
    """Send a write of which nothing may stay."""
    told: list[dict[str, Any]] = []
    said: dict[str, Any] = {"commit": False, "tell": told.append, "budget_s": budget_s}
    answer = await client.send(method, target, body=body or {}, run=said)
    return Rehearsed(answer, told)
