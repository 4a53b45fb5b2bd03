"""GET and POST /api/runs, GET and PATCH /api/runs/{id}: parse, call, reply."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.kit.auth import caller_of
from services.kit.body import fields_of
from services.kit.reply import answer
from services.kit.route import Route, path_value
from services.kit.unit import reading, writing
from services.runs import service
from services.runs.schemas import NewRun, RunChange

router = APIRouter(route_class=Route)


@router.get("/api/runs")
async def list_runs(request: Request) -> Response:
    caller = await caller_of(request)
    async with reading(request, caller) as session:
        runs = await service.list_newest(session)
    return answer(request, 200, runs)


@router.get("/api/runs/{id}")
async def show_run(request: Request) -> Response:
    caller = await caller_of(request)
    run_id = service.identify(path_value(request, "id"))
    async with reading(request, caller) as session:
        run = await service.show(session, run_id)
    return answer(request, 200, run)


@router.post("/api/runs")
async def start_run(request: Request) -> Response:
    fields = await fields_of(request)
    caller = await caller_of(request)
    run = NewRun.read(fields)
    async with writing(request, caller) as session:
        reply = answer(request, 201, await service.start(session, run))
    return reply


@router.patch("/api/runs/{id}")
async def change_run(request: Request) -> Response:
    fields = await fields_of(request)
    caller = await caller_of(request)
    run_id = service.identify(path_value(request, "id"))
    change = RunChange.read(fields)
    async with writing(request, caller) as session:
        reply = answer(request, 200, await service.change(session, run_id, change))
    return reply
