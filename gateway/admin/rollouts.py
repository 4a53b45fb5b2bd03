"""Rollouts and the rollbacks that nobody asked for, on the wire of the admin API: parse, call, reply."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.admin.answers import problem, unknown_route
from gateway.admin.parse import page, read_body
from gateway.admin.schemas import Reason, WireBody
from gateway.admin.service import AdminService
from gateway.db.rollbacks import Rollback, RollbackStore
from gateway.db.rollouts import RolloutStore
from gateway.db.tokens import Identity
from gateway.rollout.flag import Refused
from gateway.rollout.steps import ACTIVE, MOST_STEPS, Rollout, State, Step
from gateway.telemetry import log

Json = dict[str, Any]

LONGEST_BAKE_S = 30 * 86_400.0


class RolloutBody(WireBody):
    """The steps of a rollout, and how many seconds each of them bakes before the next."""

    steps: Annotated[list[Annotated[str, Field(max_length=20)]], Field(min_length=1, max_length=MOST_STEPS)]
    bake_s: Annotated[float, Field(ge=0, le=LONGEST_BAKE_S, allow_inf_nan=False)]
    reason: Reason = ""


class RolloutEndpoints:
    """Plans to move a route by steps, and what took routes back."""

    def __init__(self, service: AdminService, rollouts: RolloutStore, rollbacks: RollbackStore) -> None:
        self._service, self._rollouts, self._rollbacks = service, rollouts, rollbacks

    async def begin(self, request: Request, who: Identity) -> Response:
        key = request.path_params["key"]
        view = self._service.route(key)
        if view is None:
            return unknown_route()
        body = await read_body(request, RolloutBody)
        if isinstance(body, Response):
            return body
        try:
            steps = tuple(map(Step.parse, body.steps))
        except ValueError as error:
            return problem(422, "invalid_body", "The body is not what this needs.", reasons=[f"steps: {error}"])
        if not view.has_new:
            return problem(
                409, "no_new_side", f"This gateway was started without a new side, so {key} stays on legacy."
            )
        made = await self._rollouts.begin(key, steps, bake_s=body.bake_s, by=who.name, reason=body.reason)
        if isinstance(made, Refused):
            return problem(409, made.code, f"{made.sentence}.", reasons=[made.sentence])
        log("rollout_begun", route=key, rollout=made.id, by=who.name)
        return JSONResponse({"rollout": rollout_json(made)}, 201)

    async def show(self, request: Request, _who: Identity) -> Response:
        """The newest rollout of a route, null when there never was one."""
        found = await self._newest(request)
        if isinstance(found, Response):
            return found
        return JSONResponse({"rollout": None if found is None else rollout_json(found)})

    async def cancel(self, request: Request, who: Identity) -> Response:
        return await self._settle(request, State.CANCELLED, (f"cancelled by {who.name}",))

    async def resume(self, request: Request, _who: Identity) -> Response:
        return await self._settle(request, State.RUNNING, ())

    async def rollbacks(self, request: Request, _who: Identity) -> Response:
        key = request.path_params["key"]
        if self._service.route(key) is None:
            return unknown_route()
        wanted = page(request)
        if isinstance(wanted, Response):
            return wanted
        return JSONResponse({"rollbacks": [rollback_json(each) for each in await self._rollbacks.of(key, wanted[0])]})

    async def _newest(self, request: Request) -> Rollout | Response | None:
        key = request.path_params["key"]
        return unknown_route() if self._service.route(key) is None else await self._rollouts.newest(key)

    async def _settle(self, request: Request, state: State, why: tuple[str, ...]) -> Response:
        found = await self._newest(request)
        if isinstance(found, Response):
            return found
        if found is None:
            return problem(409, "no_rollout", "This route never had a rollout.")
        if found.state not in ACTIVE or not await self._rollouts.settle(found, state, why):
            return problem(409, "rollout_over", f"The rollout is {found.state}; a new one can be begun.")
        log("rollout_settled", route=found.route, rollout=found.id, state=state, why=why)
        return JSONResponse({"rollout": rollout_json(replace(found, state=state, why=why))})


def rollout_json(rollout: Rollout) -> Json:
    """A plan and how far it has come; `why` says what it waits for, or why it does not go on."""
    return {
        "id": rollout.id,
        "route": rollout.route,
        "steps": [str(step) for step in rollout.steps],
        "taken": rollout.taken,
        "state": rollout.state,
        "why": list(rollout.why),
        "bake_s": rollout.bake_s,
        "baked_s": round(rollout.baked_s, 1) if rollout.taken and rollout.state in ACTIVE else None,
        "flag_version": rollout.version,
        "by": rollout.by,
        "reason": rollout.reason,
    }


def rollback_json(rollback: Rollback) -> Json:
    """A rollback that nobody asked for, and how many requests are known to be affected."""
    seen = rollback.seen
    return {
        "id": rollback.id,
        "at": rollback.at.isoformat(),
        "from_version": rollback.flag_version,
        "what": rollback.what,
        "why": rollback.sentence,
        "affected": rollback.affected,
        "answered": seen.answered,
        "failed": seen.failed,
        "rescued": seen.rescued,
        "slow": seen.slow,
        "compared": seen.compared,
        "mismatched": seen.mismatched,
        "exemplars": [{"request_id": one.request_id, "where": one.place} for one in rollback.exemplars],
        "webhook": rollback.webhook,
    }
