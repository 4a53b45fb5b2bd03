"""The endpoints of the admin API: parse, call, reply. What they decide is only the status and the shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.admin.answers import etag, problem, unknown_route
from gateway.admin.copies import copies_json
from gateway.admin.metrics import Figures
from gateway.admin.parse import expected_version, page, read_body
from gateway.admin.promotion import held
from gateway.admin.schemas import (
    FlagBody,
    Json,
    RollbackBody,
    TokenBody,
    change_json,
    flag_json,
    live_json,
    route_json,
    token_json,
)
from gateway.admin.service import AdminService
from gateway.db.flags import LostRace, Unchanged
from gateway.db.tokens import Identity, NameTaken, Role, TokenStore
from gateway.rollout.flag import Flipped, Refused
from gateway.rollout.gate import Held
from gateway.rollout.plan import Live
from gateway.telemetry import log


class RouteEndpoints:
    """Routes and their flags."""

    def __init__(self, service: AdminService, live: Live, figures: Figures, more: Callable[[], Json]) -> None:
        self._service = service
        self._figures = figures
        self._live = live
        self._more = more

    async def routes(self, _request: Request, _who: Identity) -> Response:
        listed = [route_json(view) for view in self._service.routes()]
        return JSONResponse({"routes": listed, "plan": self._state()})

    async def route(self, request: Request, _who: Identity) -> Response:
        key = request.path_params["key"]
        view = self._service.route(key)
        if view is None:
            return unknown_route()
        copies = copies_json(await self._figures(), key)
        return JSONResponse({**route_json(view), "copies": copies}, headers=etag(view.flag))

    async def flip(self, request: Request, who: Identity) -> Response:
        key = request.path_params["key"]
        if self._service.route(key) is None:
            return unknown_route()
        expected = expected_version(request)
        if isinstance(expected, Response):
            return expected
        body = await read_body(request, FlagBody)
        if isinstance(body, Response):
            return body
        return _changed(await self._service.flip(key, body.change(), by=who.name, expected=expected))

    async def rollback(self, request: Request, who: Identity) -> Response:
        key = request.path_params["key"]
        if self._service.route(key) is None:
            return unknown_route()
        body = await read_body(request, RollbackBody, empty=b"{}")
        if isinstance(body, Response):
            return body
        return _changed(await self._service.rollback(key, by=who.name, reason=body.reason))

    async def history(self, request: Request, _who: Identity) -> Response:
        wanted = page(request)
        if isinstance(wanted, Response):
            return wanted
        limit, before = wanted
        changes = await self._service.history(request.path_params["key"], limit=limit, before=before)
        return (
            unknown_route() if changes is None else JSONResponse({"changes": [change_json(each) for each in changes]})
        )

    async def healthz(self, _request: Request) -> Response:
        return JSONResponse({"alive": True})

    async def readyz(self, _request: Request) -> Response:
        """200 while this process takes requests, 503 while it drains; how old its flags are is in the body.

        Without any flags everything goes to legacy (acceptance 21): that is service, not an outage.
        """
        state = self._state()
        return JSONResponse(state, 200 if state["ready"] else 503)

    def _state(self) -> Json:
        """What this process acts on, and what else is known beside it, which may make it unready."""
        state, more = live_json(self._live), self._more()
        return {**state, **more, "ready": state["ready"] and more.get("ready", True)}


class TokenEndpoints:
    """Tokens, for admins."""

    def __init__(self, tokens: TokenStore) -> None:
        self._tokens = tokens

    async def list(self, _request: Request, _who: Identity) -> Response:
        return JSONResponse({"tokens": [token_json(token) for token in await self._tokens.list()]})

    async def create(self, request: Request, who: Identity) -> Response:
        body = await read_body(request, TokenBody)
        if isinstance(body, Response):
            return body
        try:
            secret = await self._tokens.create(body.name, Role[body.role.upper()])
        except NameTaken:
            return problem(409, "name_taken", "A token of this name is in use.")
        except ValueError as error:
            return problem(422, "invalid_body", "The body is not what this needs.", reasons=[f"name: {error}"])
        log("token_created", name=body.name, role=body.role, by=who.name)
        return JSONResponse({"name": body.name, "role": body.role, "secret": secret}, 201)

    async def revoke(self, request: Request, who: Identity) -> Response:
        name = request.path_params["name"]
        if "\0" in name or not await self._tokens.revoke(name):
            return problem(404, "unknown_token", "There is no token of this name.")
        log("token_revoked", name=name, by=who.name)
        return Response(status_code=204)


def _changed(outcome: Flipped | Refused | LostRace | Unchanged | Held | None) -> Response:
    match outcome:
        case None:
            return unknown_route()
        case Flipped(flag, move):
            said = {"route": flag.route, "flag": flag_json(flag), "move": move, "changed": True}
            return JSONResponse(said, headers=etag(flag))
        case Unchanged(flag):
            said = {"route": flag.route, "flag": flag_json(flag), "move": None, "changed": False}
            return JSONResponse(said, headers=etag(flag))
        case LostRace(current):
            sentence = f"The flag is at version {current.version} by now; nothing was changed."
            return problem(412, "lost_race", sentence, headers=etag(current), current=flag_json(current))
        case Held():
            return held(outcome)
        case Refused(code, sentence):
            status = 409 if code in ("bad_transition", "no_new_side") else 422
            return problem(status, code, f"{sentence}.", reasons=[sentence])
        case _:
            assert_never(outcome)
