"""The demo's admin token: the one that was noted, as long as the database knows it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from gateway.db.engine import make_engine
from gateway.db.tokens import NameTaken, Role, TokenStore

_NAME = "demo"


def working_token(database_url: str, notes: dict[str, Any]) -> str:
    """The noted token if it still makes its holder an admin, else a new one."""
    return asyncio.run(_working_token(database_url, str(notes.get("admin_token", ""))))


async def _working_token(database_url: str, noted: str) -> str:
    engine = make_engine(database_url)
    try:
        store = TokenStore(engine)
        identity = await store.verify(noted)
        if identity is not None and identity.role is Role.ADMIN:
            return noted
        with suppress(NameTaken):
            return await store.create(_NAME, Role.ADMIN)
        await store.revoke(_NAME)  # its secret is lost: demo.json was deleted, or is another demo's
        return await store.create(_NAME, Role.ADMIN)
    finally:
        await engine.dispose()
