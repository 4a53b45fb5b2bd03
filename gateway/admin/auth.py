"""Who asks, and whether the role is enough: every endpoint behind it gets an identity or is not reached."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from gateway.admin.answers import problem
from gateway.db.tokens import Identity, Role, TokenStore

Endpoint = Callable[[Request, Identity], Awaitable[Response]]


def needs(role: Role, tokens: TokenStore, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint for holders of at least this role; 401 for strangers, 403 for the others."""

    async def guarded(request: Request) -> Response:
        secret = _bearer(request)
        if secret is None:
            return _unknown("This needs a token: Authorization: Bearer ...", "Bearer")
        identity = await tokens.verify(secret)
        if identity is None:
            return _unknown("This token is not known, or not any more.", 'Bearer error="invalid_token"')
        if identity.role < role:
            return problem(403, "forbidden", f"This needs the role {role.word}; the token has {identity.role.word}.")
        return await endpoint(request, identity)

    return guarded


def _bearer(request: Request) -> str | None:
    given = request.headers.getlist("authorization")
    if len(given) != 1:
        return None
    scheme, _, secret = given[0].partition(" ")
    return secret.strip() if scheme.lower() == "bearer" and secret.strip() else None


def _unknown(sentence: str, challenge: str) -> Response:
    return problem(401, "unauthenticated", sentence, headers={"www-authenticate": challenge})
