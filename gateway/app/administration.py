"""The admin plane as this program runs it: its server over the stores, and the first token."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

from gateway.admin.app import build_admin
from gateway.admin.bootstrap import ensure_first_token
from gateway.admin.metrics import Figures
from gateway.admin.service import AdminService
from gateway.db.lifecycle import Database
from gateway.db.tokens import TokenStore
from gateway.proxy.drain import QuietServer
from gateway.proxy.server import quiet_config
from gateway.rollout.plan import Live
from gateway.settings import Settings, split_address

DRAIN_S: Final = 2.0


def admin_server(
    settings: Settings,
    live: Live,
    database: Database,
    *,
    figures: Figures,
    more: Callable[[], dict[str, Any]],
    revision: Callable[[str], str],
) -> QuietServer:
    """The server of the admin plane; `more` is what /readyz says beside the plan, `revision` that of a route."""
    has_new = settings.new is not None
    service = AdminService(database.flags, live, database.evidence, has_new=has_new, revision=revision)
    app = build_admin(
        service=service,
        tokens=database.tokens,
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
