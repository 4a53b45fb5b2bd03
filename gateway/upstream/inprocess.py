"""A side that is an ASGI app in this process; both bodies stream, with back-pressure.

The app runs in a task of its own. When the caller lets go of the answer the app is told
`http.disconnect` and may finish what it has begun, as it would behind any ASGI server; when it misses
its deadline it is cancelled, which rolls its transaction back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any
from urllib.parse import unquote

from gateway.failure import Failure
from gateway.message import OutboundRequest, Response
from gateway.telemetry import log
from gateway.upstream.call import Call, Message

App = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
GRACE_S = 10.0  # how long an app may go on after its caller has left


class InProcess:
    """Calls an ASGI app as a server would. `state` is the app's lifespan state (ASGI lifespan extension)."""

    def __init__(self, app: App, *, state: MutableMapping[str, Any] | None = None) -> None:
        self._app = app
        self._state = state or {}
        self._running: set[asyncio.Task[None]] = set()

    async def send(self, request: OutboundRequest, *, timeout_s: float) -> Response | Failure:
        """Run the app until its answer's head; the rest of the body comes as it is read."""
        call = Call(request)
        task = asyncio.create_task(self._run(call, self._scope(request)))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            async with asyncio.timeout(timeout_s):
                head = await call.head
        except TimeoutError:
            task.cancel()
            return Failure.NEW_TIMEOUT
        except BaseException:  # the caller was cancelled, or its own body broke off
            self._let_go(call, task)
            raise
        if isinstance(head, Failure):
            return head
        status, headers = head
        if not any(name.lower() == b"date" for name, _ in headers):  # RFC 9110 section 6.6.1: whoever serves dates
            headers = (*headers, (b"date", formatdate(usegmt=True).encode("ascii")))

        async def close() -> None:
            self._let_go(call, task)

        return Response(status, headers, call.read(), close)

    async def websocket(
        self,
        scope: MutableMapping[str, Any],
        request: OutboundRequest,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Hand a client's WebSocket to the app, as a server would."""
        own = self._scope(request)
        connected = False

        async def receive_once_more() -> Message:
            nonlocal connected
            if connected:
                return await receive()
            connected = True
            return {"type": "websocket.connect"}

        own.update({name: scope[name] for name in ("type", "scheme", "subprotocols") if name in scope})
        own["extensions"] = {**(scope.get("extensions") or {}), **own["extensions"]}
        await self._app(own, receive_once_more, send)

    def _let_go(self, call: Call, task: asyncio.Task[None]) -> None:
        """Tell the app that its caller left, and end it when it does not stop by itself."""
        if call.leave() and not task.done():
            asyncio.get_running_loop().call_later(GRACE_S, task.cancel)

    async def aclose(self) -> None:
        """Cancel what still runs."""
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _run(self, call: Call, scope: MutableMapping[str, Any]) -> None:
        try:
            await self._app(scope, call.receive, call.send)
        except asyncio.CancelledError:
            call.end(Failure.NEW_TIMEOUT)
            raise
        except Exception as bug:  # noqa: BLE001 - the border to other people's code: whatever it raises is its failure
            if not call.abandoned:
                log("new_side_raised", level=logging.ERROR, bug=bug)
            call.end(Failure.NEW_CRASHED)
        else:
            call.end(Failure.NEW_CRASHED)

    def _scope(self, request: OutboundRequest) -> MutableMapping[str, Any]:
        path, _, query = request.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.scheme,
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(request.headers),
            "client": (request.client_ip, 0),
            "server": None,
            "state": dict(self._state),
            "extensions": {"strangler.run": {"commit": request.commit}},
        }
