"""POST /api/qc-decisions: parse, call, reply."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.kit.auth import caller_of
from services.kit.body import fields_of
from services.kit.parts import parts_of
from services.kit.reply import answer
from services.kit.route import Route
from services.kit.unit import writing
from services.qc import service
from services.qc.schemas import NewDecision

router = APIRouter(route_class=Route)


@router.post("/api/qc-decisions")
async def record_decision(request: Request) -> Response:
    fields = await fields_of(request)
    caller = await caller_of(request)
    decision = NewDecision.read(fields)
    async with writing(request, caller) as session:
        recorded = await service.record(session, decision, alerts=parts_of(request).alerts)
        reply = answer(request, 201, recorded)
    return reply
