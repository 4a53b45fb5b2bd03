"""The endpoints about evidence: where the sides differ, which rules allow what, what was compared. They only read."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.admin.answers import problem, unknown_route
from gateway.admin.evidence_schemas import clusters_json, histogram_json, minute_json, rules_json, stratum_json
from gateway.admin.parse import page
from gateway.db.evidence import EvidenceStore
from gateway.db.tokens import Identity
from gateway.diff.rules import Rules
from gateway.rollout.plan import Live

_SECONDS: Final = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


class EvidenceEndpoints:
    """What is known of a route's two sides. `rules` and `revision` are those of a route that are in force."""

    def __init__(
        self, evidence: EvidenceStore, live: Live, rules: Callable[[str], Rules], revision: Callable[[str], str]
    ) -> None:
        self._evidence = evidence
        self._live = live
        self._rules = rules
        self._revision = revision

    async def mismatches(self, request: Request, _who: Identity) -> Response:
        wanted, since = page(request), _since(request)
        if isinstance(wanted, Response):
            return wanted
        if isinstance(since, Response):
            return since
        key = request.path_params["key"]
        if not self._has(key):
            return unknown_route()
        revision = self._revision(key)
        clusters = await self._evidence.clusters(key, since=since, limit=wanted[0])
        verdicts = await self._evidence.summary(key)
        return JSONResponse({"revision": revision, "verdicts": verdicts, **clusters_json(clusters, revision)})

    async def rules(self, request: Request, _who: Identity) -> Response:
        key = request.path_params["key"]
        if not self._has(key):
            return unknown_route()
        rules, hits = self._rules(key).rules, await self._evidence.rule_hits(key)
        return JSONResponse({"rules": rules_json(rules, hits, datetime.now(UTC).date())})

    async def evidence(self, request: Request, _who: Identity) -> Response:
        wanted = page(request)
        if isinstance(wanted, Response):
            return wanted
        key = request.path_params["key"]
        if not self._has(key):
            return unknown_route()
        revision = self._revision(key)
        found = await self._evidence.for_gate(key, revision)
        return JSONResponse(
            {
                "revision": revision,
                "since": None if found.since is None else found.since.isoformat(),
                "counts": await self._evidence.totals(key, revision),
                "control_ms": histogram_json(found.control_ms),
                "candidate_ms": histogram_json(found.candidate_ms),
                "strata": [stratum_json(each) for each in await self._evidence.strata(key, revision)],
                "minutes": [minute_json(each) for each in await self._evidence.minutes(key, wanted[0])],
            }
        )

    def _has(self, key: str) -> bool:
        return key in self._live.known.table.routes


def _since(request: Request) -> timedelta | Response | None:
    """How far back is wanted (`since`, in seconds); None without it."""
    given = request.query_params.get("since")
    if given is None:
        return None
    if not _SECONDS.fullmatch(given):
        return problem(422, "bad_query", "since must be a number of seconds.")
    return timedelta(seconds=int(given))
