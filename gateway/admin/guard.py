"""Around everything on the admin plane: the request id, who may be asked for, safe headers, and no exception's text.

It knows no endpoint and no token.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.admin.answers import problem
from gateway.telemetry import log, request_id

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?")

SAFE_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """ASGI middleware. An answer that has one of the safe headers itself keeps its own."""

    def __init__(self, app: ASGIApp, allowed_hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._allowed = frozenset(host.strip("[]").lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let an HTTP request through, or answer in its place."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        one = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        token = request_id.set(one)
        answer = _Answer(send, one)
        try:
            if self._is_for_us(headers.getlist("host")):
                await self._app(scope, receive, answer)
            else:
                sentence = "This host name is not one of the admin plane's."
                await problem(421, "host_not_allowed", sentence)(scope, receive, answer)
        except ClientDisconnect:
            pass
        except Exception as bug:  # noqa: BLE001 - the edge: whatever it is, its text stays in the log
            log("admin_bug", bug=bug)
            if not answer.started:
                await problem(500, "internal_error", "The admin plane failed.")(scope, receive, answer)
        finally:
            request_id.reset(token)

    def _is_for_us(self, hosts: list[str]) -> bool:
        """Whether the Host names this machine or what was configured: a name an attacker owns may point here, too."""
        found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if found is None:
            return False
        host = found.group(1).strip("[]").lower().removesuffix(".")
        if host == "localhost" or host in self._allowed:
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


class _Answer:
    """Sends an answer with the request id and the safe headers on it."""

    def __init__(self, send: Send, one: str) -> None:
        self._send = send
        self._id = one
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._id
            for name, value in SAFE_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)
