"""GET and POST /api/lots: parse, call, reply."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.kit.auth import caller_of
from services.kit.body import fields_of
from services.kit.reply import answer
from services.kit.route import Route
from services.kit.unit import reading, writing
from services.lots import service
from services.lots.schemas import NewLot

router = APIRouter(route_class=Route)


@router.get("/api/lots")
async def list_lots(request: Request) -> Response:
    caller = await caller_of(request)
    async with reading(request, caller) as session:
        lots = await service.list_newest(session)
    return answer(request, 200, lots)


@router.post("/api/lots")
async def register_lot(request: Request) -> Response:
    fields = await fields_of(request)
    caller = await caller_of(request)
    lot = NewLot.read(fields)
    async with writing(request, caller) as session:
        reply = answer(request, 201, await service.register(session, lot))
    return reply
