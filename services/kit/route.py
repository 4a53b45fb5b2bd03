"""Matches paths as Express does and is the one border where a failure becomes an answer.

Express compares the path as it was sent, without regard to case or one slash at the end, and decodes
parameters afterwards: `/api/traceability/A%2FB` has one parameter, `A/B`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote, unquote

from fastapi.routing import APIRoute
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Scope

from services.kit.errors import MALFORMED_PATH, UNEXPECTED, UNREACHABLE, UNSTORABLE, Refused
from services.kit.reply import refuse
from services.kit.run import run_of

_log = logging.getLogger("services")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Route(APIRoute):
    """A route of the new side."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        allowed = self.methods or set()
        self.methods = allowed | {"HEAD"} if "GET" in allowed else allowed
        template = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))
        self._express = re.compile(rf"{template}/?\Z", re.IGNORECASE)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Compare the path as sent; parameters stay encoded until `path_value` is asked."""
        if scope["type"] != "http":
            return Match.NONE, {}
        raw = scope.get("raw_path") or quote(scope["path"]).encode()
        found = self._express.match(raw.decode("latin-1"))
        if found is None:
            return Match.NONE, {}
        met = Match.FULL if scope["method"] in (self.methods or ()) else Match.PARTIAL
        return met, {"endpoint": self.endpoint, "path_params": found.groupdict(), "route": self}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except Refused as refused:
                return refuse(request, refused.refusal)
            except DataError as error:
                # never its words: they repeat the value
                _log.warning("PostgreSQL refused a value: %s", getattr(error.orig, "sqlstate", ""))
                return refuse(request, UNSTORABLE)
            except (OperationalError, InterfaceError, PoolExhausted) as error:
                run = run_of(request.scope)  # a rehearsal gives up sooner than a database is out of reach
                _log.log(logging.DEBUG if run.rehearses else logging.ERROR, "the database cannot be reached: %s", error)
                run.tell({"type": "unit.failed"})
                return refuse(request, UNREACHABLE)
            except Exception:  # noqa: BLE001 - the ASGI edge of the new side: no client reads its text
                _log.exception("a handler failed: %s %s", request.method, self.path)
                run_of(request.scope).tell({"type": "unit.failed"})
                return refuse(request, UNEXPECTED)

        return guarded


def path_value(request: Request, name: str) -> str:
    """A parameter of the path, decoded as decodeURIComponent does."""
    raw: str = request.path_params[name]
    if _BROKEN_ESCAPE.search(raw):
        raise Refused(MALFORMED_PATH)
    try:
        return unquote(raw, encoding="utf-8", errors="strict")
    except UnicodeDecodeError as error:
        raise Refused(MALFORMED_PATH) from error
