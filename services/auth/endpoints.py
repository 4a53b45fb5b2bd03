"""POST /api/login: parse, call, reply."""

from __future__ import annotations

import time

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.auth import service
from services.auth.schemas import Login
from services.kit.auth import caller_of
from services.kit.body import fields_of
from services.kit.parts import parts_of
from services.kit.reply import answer
from services.kit.route import Route
from services.kit.unit import writing

router = APIRouter(route_class=Route)


@router.post("/api/login")
async def log_in(request: Request) -> Response:
    fields = await fields_of(request)
    caller = await caller_of(request)
    login = Login.read(fields)
    signer = parts_of(request).signer
    async with writing(request, caller) as session:
        reply = answer(request, 200, await service.log_in(session, login, signer=signer, now=time.time()))
    return reply
