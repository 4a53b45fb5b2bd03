"""The admin plane as this program runs it: its server over the stores, and the first token."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from secrets import token_hex
from typing import Any, Final

from gateway.admin.app import build_admin
from gateway.admin.bootstrap import ensure_first_token
from gateway.admin.evidence import EvidenceEndpoints
from gateway.admin.metrics import Figures
from gateway.admin.service import AdminService
from gateway.app.agreed import Agreed
from gateway.app.watch.keeper import Keeper, Stores
from gateway.app.watch.webhook import Webhook
from gateway.db.lifecycle import Database
from gateway.db.tokens import TokenStore
from gateway.proxy.drain import QuietServer
from gateway.proxy.server import quiet_config
from gateway.rollout.gate import Judgement
from gateway.rollout.plan import Live
from gateway.settings.addresses import split_address
from gateway.settings.model import Settings

DRAIN_S: Final = 2.0


def admin_service(settings: Settings, live: Live, database: Database, revision: Callable[[str], str]) -> AdminService:
    """What the admin plane can do; `revision` is that of a route."""
    return AdminService(
        database.flags,
        live,
        database.evidence,
        has_new=settings.new is not None,
        revision=revision,
        rollbacks=database.rollbacks,
    )


def keeper(settings: Settings, live: Live, database: Database, service: AdminService) -> Keeper:
    """Who does what only one of all processes may do, if it is this one."""

    async def judge(route: str) -> Judgement | None:
        view = await service.judge(route)
        return None if view is None else view.judgement

    url, key = settings.rollback_webhook, settings.rollback_webhook_key
    signing = None if key is None else key.get_secret_value().encode()
    webhook = None if url is None else Webhook(url.get_secret_value(), signing)
    stores = Stores(database.flags, database.leases, database.rollbacks, database.rollouts)
    name = f"{socket.gethostname()}/{os.getpid()}/{token_hex(3)}"
    return Keeper(live, stores, judge, webhook, name, watches=settings.auto_rollback)


def admin_server(
    settings: Settings,
    service: AdminService,
    live: Live,
    database: Database,
    agreed: Agreed,
    *,
    figures: Figures,
    more: Callable[[], dict[str, Any]],
) -> QuietServer:
    """The server of the admin plane; `more` is what /readyz says beside the plan."""
    app = build_admin(
        service=service,
        evidence=EvidenceEndpoints(database.evidence, live, agreed.rules, agreed.revision),
        tokens=database.tokens,
        rollouts=database.rollouts,
        rollbacks=database.rollbacks,
        live=live,
        figures=figures,
        more=more,
        allowed_hosts=[split_address(settings.admin)[0], *settings.admin_hosts],
    )
    return QuietServer(quiet_config(app, ws="none"), drain_s=DRAIN_S)


async def tell_first_token(tokens: TokenStore) -> None:
    """Print a new database's first token, once."""
    secret = await ensure_first_token(tokens)
    if secret is not None:
        sys.stdout.write(f"The first admin token, shown only now: {secret}\n")
        sys.stdout.flush()


def greet(settings: Settings) -> None:
    """Tell a person at a terminal where everything is; programs read the log."""
    if sys.stdout.isatty():
        sys.stdout.write(f"http://{settings.listen} -> {settings.legacy}   admin: http://{settings.admin}\n")
        sys.stdout.flush()
