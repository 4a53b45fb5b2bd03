"""Answers preflight requests as Express's cors() does: every OPTIONS, on every path, before routing."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from services.kit.reply import ANY_ORIGIN, Reply

_ASKED = b"access-control-request-headers"
_FIXED = [
    ANY_ORIGIN,
    (b"access-control-allow-methods", b"GET,HEAD,PUT,PATCH,POST,DELETE"),
    (b"vary", b"Access-Control-Request-Headers"),
]


class Preflight:
    """Stands before the routes and lets everything else through."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "OPTIONS":
            await self._app(scope, receive, send)
            return
        asked = b", ".join(value for name, value in scope["headers"] if name == _ASKED)
        allowed = [(b"access-control-allow-headers", asked)] if asked else []
        await Reply(204, [*_FIXED, *allowed, (b"content-length", b"0")], b"")(scope, receive, send)
