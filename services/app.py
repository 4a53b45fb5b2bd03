"""Puts the new side together; the only file that knows all domains. The gateway loads it as `services.app:build`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from services.auth.endpoints import router as auth
from services.health.endpoints import router as health
from services.kit.cors import Preflight
from services.kit.database import Database
from services.kit.errors import NOT_FOUND
from services.kit.jwks import KeyRing
from services.kit.outbox import Relay
from services.kit.parts import Parts
from services.kit.reply import refuse
from services.kit.run import DECLARATION, Running
from services.kit.settings import Settings, read_settings
from services.kit.token import Signer, Verifier
from services.kit.watches import install
from services.lots.endpoints import router as lots
from services.qc.alerts import TOPIC, to_webhook
from services.qc.endpoints import router as qc
from services.runs.endpoints import router as runs
from services.traceability.endpoints import router as traceability

_DOMAINS = (health, auth, lots, traceability, qc, runs)


def build() -> FastAPI:
    """Make the app from the environment; connections are opened in its lifespan."""
    settings = read_settings(os.environ)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
        install(asyncio.get_running_loop())
        database = Database(settings.database_url, pool_size=settings.pool_size)
        ring = None if settings.jwks_url is None else KeyRing(settings.jwks_url)
        app.state.parts = _parts(settings, database, ring)
        relay = _relay(settings, database)
        try:
            yield dict(DECLARATION)
        finally:
            if relay is not None:
                await relay.aclose()
            if ring is not None:
                await ring.aclose()
            await database.aclose()

    # no OpenAPI pages: every path belongs to legacy until a domain says otherwise
    app = FastAPI(lifespan=lifespan, openapi_url=None, redirect_slashes=False)
    for domain in _DOMAINS:
        app.router.routes.extend(domain.routes)  # include_router would match by Starlette's rules again
    app.add_exception_handler(404, _not_found)
    app.add_exception_handler(405, _not_found)  # Express knows no 405: another method is another route
    app.add_middleware(Preflight)
    app.add_middleware(Running)  # the outermost
    return app


def _parts(settings: Settings, database: Database, ring: KeyRing | None) -> Parts:
    secret = settings.jwt_secret
    return Parts(
        database=database,
        verifier=Verifier(secret, ring),
        signer=None if secret is None else Signer(secret),
        alerts=settings.alert_url is not None,
    )


def _relay(settings: Settings, database: Database) -> Relay | None:
    """What delivers the outbox's letters, where somebody wants any."""
    if settings.alert_url is None:
        return None
    relay = Relay(database.writers, {TOPIC: to_webhook(settings.alert_url)})
    relay.start()
    return relay


async def _not_found(request: Request, _: Exception) -> Response:
    return refuse(request, NOT_FOUND)
