"""Puts the admin plane together: its paths, the role each needs, and the guard around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from gateway.admin.answers import database_down, refused_by_router
from gateway.admin.auth import Endpoint, needs
from gateway.admin.endpoints import RouteEndpoints, TokenEndpoints
from gateway.admin.evidence import EvidenceEndpoints
from gateway.admin.guard import Guard
from gateway.admin.metrics import Figures, metrics_endpoint
from gateway.admin.promotion import GateEndpoint
from gateway.admin.rollouts import RolloutEndpoints
from gateway.admin.schemas import Json
from gateway.admin.service import AdminService
from gateway.db.engine import DatabaseDown
from gateway.db.rollbacks import RollbackStore
from gateway.db.rollouts import RolloutStore
from gateway.db.tokens import Role, TokenStore
from gateway.rollout.plan import Live


def build_admin(
    *,
    service: AdminService,
    evidence: EvidenceEndpoints,
    tokens: TokenStore,
    rollouts: RolloutStore,
    rollbacks: RollbackStore,
    live: Live,
    figures: Figures,
    more: Callable[[], Json] = dict,
    allowed_hosts: Iterable[str] = (),
    pages: Sequence[BaseRoute] = (),
) -> Starlette:
    """The ASGI app of the admin plane.

    `figures` is asked at each scrape, `more` for what /readyz says beside the plan. Loopback names and addresses are
    always allowed as Host, `allowed_hosts` beside them. `pages` are further routes, such as the console's; they come
    after the API's and look after their own sessions.
    """
    routes = RouteEndpoints(service, live, figures, more)
    api = _api(tokens, routes, evidence, GateEndpoint(service), RolloutEndpoints(service, rollouts, rollbacks))
    open_to_all = (
        Route("/healthz", routes.healthz, methods=["GET"]),
        Route("/readyz", routes.readyz, methods=["GET"]),
        Route("/metrics", metrics_endpoint(figures), methods=["GET"]),
    )
    app = Starlette(
        routes=[*open_to_all, *api, *pages],
        middleware=[Middleware(Guard, allowed_hosts=allowed_hosts)],
        exception_handlers={DatabaseDown: database_down, HTTPException: refused_by_router},
    )
    app.router.redirect_slashes = False  # a redirect would be built from the Host header
    return app


def _api(
    tokens: TokenStore,
    routes: RouteEndpoints,
    evidence: EvidenceEndpoints,
    gate: GateEndpoint,
    plans: RolloutEndpoints,
) -> list[Route]:
    """What needs a token, and the role that each needs."""
    secrets = TokenEndpoints(tokens)

    def at(path: str, method: str, role: Role, endpoint: Endpoint) -> Route:
        return Route(path, needs(role, tokens, endpoint), methods=[method])

    return [
        at("/api/routes", "GET", Role.VIEWER, routes.routes),
        at("/api/routes/{key}", "GET", Role.VIEWER, routes.route),
        at("/api/routes/{key}/flag", "PUT", Role.OPERATOR, routes.flip),
        at("/api/routes/{key}/rollback", "POST", Role.OPERATOR, routes.rollback),
        at("/api/routes/{key}/history", "GET", Role.VIEWER, routes.history),
        at("/api/routes/{key}/rollbacks", "GET", Role.VIEWER, plans.rollbacks),
        at("/api/routes/{key}/rollout", "GET", Role.VIEWER, plans.show),
        at("/api/routes/{key}/rollout", "POST", Role.OPERATOR, plans.begin),
        at("/api/routes/{key}/rollout", "DELETE", Role.OPERATOR, plans.cancel),
        at("/api/routes/{key}/rollout/resume", "POST", Role.OPERATOR, plans.resume),
        at("/api/routes/{key}/gate", "GET", Role.VIEWER, gate.gate),
        at("/api/routes/{key}/mismatches", "GET", Role.VIEWER, evidence.mismatches),
        at("/api/routes/{key}/rules", "GET", Role.VIEWER, evidence.rules),
        at("/api/routes/{key}/evidence", "GET", Role.VIEWER, evidence.evidence),
        at("/api/tokens", "GET", Role.ADMIN, secrets.list),
        at("/api/tokens", "POST", Role.ADMIN, secrets.create),
        at("/api/tokens/{name}", "DELETE", Role.ADMIN, secrets.revoke),
    ]
