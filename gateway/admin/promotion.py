"""What the gate says, on the wire of the admin API, and the endpoint that asks it. It decides nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.admin.answers import problem, unknown_route
from gateway.admin.service import AdminService, GateView
from gateway.db.tokens import Identity
from gateway.rollout.flag import Change, Flag
from gateway.rollout.gate import Answer, Held, Judgement, Reason, asks_for_evidence
from gateway.rollout.stage import Stage, refusal

Json = dict[str, Any]
_ORDER = tuple(Stage)


class GateEndpoint:
    """May a route go forward?"""

    def __init__(self, service: AdminService) -> None:
        self._service = service

    async def gate(self, request: Request, _who: Identity) -> Response:
        """The judgement on moving a route to the stage `to`, the next one when none is named."""
        key = request.path_params["key"]
        route = self._service.route(key)
        if route is None:
            return unknown_route()
        wanted = request.query_params.get("to", _next(route.flag.stage).value)
        if wanted not in tuple(Stage):
            return problem(422, "bad_query", f"to must be one of {', '.join(Stage)}.")
        view = await self._service.judge(key)
        return unknown_route() if view is None else JSONResponse(gate_json(route.flag, Stage(wanted), view))


def gate_json(flag: Flag, to: Stage, view: GateView) -> Json:
    """The answer to one promotion; one that needs no evidence passes without a reason."""
    evidence = view.evidence
    about = {
        "route": flag.route,
        "from": flag.stage,
        "to": to,
        "revision": evidence.revision,
        "since": None if evidence.since is None else evidence.since.isoformat(),
    }
    # in canary, asking for canary means a larger share
    change = Change(to, canary=flag.canary + 1 if flag.stage is to is Stage.CANARY else None)
    if not asks_for_evidence(flag, change):
        return {**about, "answer": Answer.PASS, "more_clean_samples": 0, "reasons": []}
    return {**about, **judgement_json(_in_order(flag, to, view.judgement))}


def _in_order(flag: Flag, to: Stage, judgement: Judgement) -> Judgement:
    """The judgement, or a refusal where a flip would be refused whatever the evidence says."""
    why = refusal(flag.stage, to, forced=False)
    if why is None:
        return judgement
    return replace(judgement, answer=Answer.FAIL, reasons=(*judgement.reasons, Reason("order", Answer.FAIL, why)))


def judgement_json(judgement: Judgement) -> Json:
    """A judgement and everything it was made of."""
    return {
        "answer": judgement.answer,
        "more_clean_samples": judgement.needed,
        "reasons": [
            {"code": each.code, "answer": each.answer, "sentence": each.sentence, "figures": dict(each.figures)}
            for each in judgement.reasons
        ],
    }


def held(stopped: Held) -> Response:
    """The refusal of a promotion, with the gate's reasons."""
    judgement = stopped.judgement
    sentence = "The gate does not let it through" if judgement.answer is Answer.FAIL else "The gate wants more evidence"
    return problem(
        409,
        "gate_refused",
        f"{sentence}; force with a reason overrules it.",
        reasons=[each.sentence for each in judgement.objections],
        gate=judgement_json(judgement),
    )


def _next(stage: Stage) -> Stage:
    return _ORDER[min(_ORDER.index(stage) + 1, len(_ORDER) - 1)]
