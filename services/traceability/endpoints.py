"""GET /api/traceability/{lotCode}: parse, call, reply."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.kit.auth import caller_of
from services.kit.reply import answer
from services.kit.route import Route, path_value
from services.kit.unit import reading
from services.traceability import service

router = APIRouter(route_class=Route)


@router.get("/api/traceability/{lotCode}")
async def trace_lot(request: Request) -> Response:
    caller = await caller_of(request)
    code = path_value(request, "lotCode")
    async with reading(request, caller) as session:
        trace = await service.trace(session, code)
    return answer(request, 200, trace)
