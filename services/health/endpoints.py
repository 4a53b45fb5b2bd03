"""GET /api/health: the process answers. It does not ask the database, as legacy does not."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.health.rules import report
from services.kit.auth import caller_of
from services.kit.reply import answer
from services.kit.route import Route

router = APIRouter(route_class=Route)


@router.get("/api/health")
async def tell_health(request: Request) -> Response:
    await caller_of(request)
    return answer(request, 200, report(datetime.now(UTC)))
