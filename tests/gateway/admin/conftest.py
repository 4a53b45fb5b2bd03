"""An admin plane on a real database, with a token of every role."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette

from gateway.admin.app import build_admin
from gateway.admin.evidence import EvidenceEndpoints
from gateway.admin.service import AdminService
from gateway.db.engine import make_engine
from gateway.db.evidence import EvidenceStore
from gateway.db.flags import FlagStore
from gateway.db.rollbacks import RollbackStore
from gateway.db.rollouts import RolloutStore
from gateway.db.tokens import Role, TokenStore
from gateway.diff.rules import Rules
from gateway.metrics.snapshot import Snapshot, merge
from gateway.rollout.plan import Live, Source
from tests.gateway.db.fixtures import database, engine, live, postgres, store

__all__ = ["database", "engine", "live", "postgres", "store"]


@dataclass
class Plane:
    """The app, what is behind it, and a client that speaks as any role."""

    app: Starlette
    live: Live
    tokens: TokenStore
    evidence: EvidenceStore
    service: AdminService
    snapshots: list[Snapshot]
    rules: dict[str, Rules]
    secrets: dict[str, str] = field(default_factory=dict)

    async def ask(
        self, method: str, path: str, *, role: str = "operator", headers: dict[str, str] | None = None, **more: Any
    ) -> httpx.Response:
        """Send one request; the role `nobody` sends no token."""
        given = {} if role == "nobody" else {"authorization": f"Bearer {self.secrets[role]}"}
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:9901") as client:
            return await client.request(method, path, headers={**given, **(headers or {})}, **more)

    async def lose_database(self) -> None:
        """Make everything behind the plane talk to a server that is not there."""
        gone = make_engine("postgresql:///x?host=/nowhere")
        for part in (self.tokens, self.evidence, self.service._flags):
            part._engine = gone


@pytest.fixture
async def plane(engine: AsyncEngine, live: Live) -> Plane:
    live.replace({}, Source.DATABASE)
    live.fresh, live.why_stale = True, ""
    tokens, evidence = TokenStore(engine), EvidenceStore(engine)
    service = AdminService(FlagStore(engine), live, evidence, has_new=True, rollbacks=RollbackStore(engine))
    snapshots: list[Snapshot] = []
    rules: defaultdict[str, Rules] = defaultdict(Rules)

    async def figures() -> Snapshot:
        return merge(snapshots)

    app = build_admin(
        service=service,
        evidence=EvidenceEndpoints(evidence, live, rules.__getitem__, lambda route: "one"),
        tokens=tokens,
        rollouts=RolloutStore(engine),
        rollbacks=RollbackStore(engine),
        live=live,
        figures=figures,
        allowed_hosts=["admin.example"],
    )
    plane = Plane(app, live, tokens, evidence, service, snapshots, rules)
    for role in Role:
        plane.secrets[role.word] = await tokens.create(role.word, role)
    return plane
