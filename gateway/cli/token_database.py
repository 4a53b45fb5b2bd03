"""Tokens straight from the database, for the day when nobody has an admin token any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gateway.cli.database_troubles import bad_url, down
from gateway.cli.output import Code, Trouble
from gateway.db.engine import DatabaseDown, make_engine
from gateway.db.tokens import NameTaken, Role, TokenStore

T = TypeVar("T")


def create(url: str, name: str, role: str) -> str:
    """Make a token; its secret."""
    return _with_store(url, lambda store: store.create(name, Role[role.upper()]))


def tokens(url: str) -> list[dict[str, Any]]:
    """Every token in use."""
    found = _with_store(url, lambda store: store.list())
    return [{"name": one.name, "role": one.role.word, "created_at": one.created_at.isoformat()} for one in found]


def end(url: str, name: str) -> bool:
    """Revoke a token; False when there is none of that name."""
    return _with_store(url, lambda store: store.revoke(name))


def _with_store(url: str, work: Callable[[TokenStore], Awaitable[T]]) -> T:
    try:
        engine = make_engine(url)
    except ValueError as error:
        raise bad_url(error) from error

    async def run() -> T:
        try:
            return await work(TokenStore(engine))
        finally:
            await engine.dispose()

    try:
        return asyncio.run(run())
    except NameTaken as taken:
        raise Trouble(Code.NO, "name_taken", str(taken)) from taken
    except ValueError as error:
        raise Trouble(Code.WRONG, "bad_request", str(error)) from error
    except DatabaseDown as error:
        raise down(error) from error
