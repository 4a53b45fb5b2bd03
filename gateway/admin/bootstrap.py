"""The first token: made where no admin token exists, to be printed once by whoever starts the gateway."""

from __future__ import annotations

from gateway.db.tokens import TokenStore

FIRST_NAME = "admin"


async def ensure_first_token(tokens: TokenStore) -> str | None:
    """The secret of a new admin token, None where an admin token exists or another process has just made it."""
    return await tokens.create_first(FIRST_NAME)
