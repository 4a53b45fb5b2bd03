"""A side that is an ASGI app in this process; both bodies stream, with back-pressure.

The app runs in a task of its own. When the caller lets go of the answer the app is told
`http.disconnect` and may finish what it has begun, as it would behind any ASGI server; when it misses
its deadline it is cancelled, which rolls its transaction back. Whatever it raises is its own failure.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from time import perf_counter
from typing import Any, Final
from urllib.parse import unquote

from gateway.failure import Failure
from gateway.message import BodyCut, Headers, Observation, OutboundRequest, Response, Side, once
from gateway.upstream.call import GRACE_S, Call
from gateway.upstream.client_socket import ClientSocket
from gateway.upstream.crash import tell
from gateway.upstream.told import EXTENSION, Told, Unsafe
from gateway.upstream.upload import Message

App = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
_ENCODED_SLASH: Final = re.compile("%2f", re.IGNORECASE)


class InProcess:
    """Calls an ASGI app as a server would. `state` is the app's lifespan state (ASGI lifespan extension).

    `idle_timeout_s` is how long, in seconds, it may pause within an answer that somebody waits for.
    """

    def __init__(
        self, app: App, *, state: MutableMapping[str, Any] | None = None, idle_timeout_s: float = 300.0
    ) -> None:
        self._app = app
        self._state = state or {}
        self._idle_timeout_s = idle_timeout_s
        self._running: dict[Call, asyncio.Task[None]] = {}
        # an app says in its lifespan state that it follows the protocol; one that does not may keep what it should not
        self.unsafe: dict[str, Unsafe] = {}  # routes whose writes it cannot rehearse, as its code has shown
        self.tells = isinstance(self._state.get(EXTENSION), Mapping)

    async def send(self, request: OutboundRequest, *, timeout_s: float, told: Told | None = None) -> Response | Failure:
        """Run the app until its answer's head; the rest of the body comes as it is read."""
        call, _ = self._begun(request, told, timeout_s)
        try:
            head = await call.head
        except BaseException:  # the caller was cancelled, or its own body broke off
            call.let_go()
            raise
        if isinstance(head, Failure):
            call.let_go()
            return head
        status, headers = head
        whole = call.take_whole()
        if whole is not None:
            return Response(status, headers, once(whole), whole=whole, length=call.length)

        async def close() -> None:
            call.let_go()

        return Response(status, headers, call.read(), close)

    def begin(self, request: OutboundRequest, *, timeout_s: float, listener: Callable[[], None]) -> Call:
        """Run the app for a reader that waits for nothing, and is told of news instead."""
        call, _ = self._begun(request, None, timeout_s)
        call.listener = listener
        return call

    async def rehearse(self, request: OutboundRequest, told: Told, *, budget_s: float, cap: int) -> Observation:
        """The whole answer to a write of which nothing is to stay; the app is cancelled at the end of the budget."""
        begun = perf_counter()
        call, task = self._begun(request, told, budget_s)
        status, failure, body = None, None, bytearray()
        headers: Headers = ()
        try:
            async with asyncio.timeout(budget_s):
                head = await call.head
                if isinstance(head, Failure):
                    failure = head
                else:
                    status, headers = head
                    async for chunk in call.read():
                        body += chunk[: cap + 1 - len(body)]
        except TimeoutError:
            failure = Failure.NEW_TIMEOUT
        except BodyCut as cut:
            failure = cut.failure
        finally:
            call.let_go()
            if not call.whole and not task.cancelling():  # a second time would break off the driver's own clearing up
                task.cancel()
        took_ms = (perf_counter() - begun) * 1000
        if failure is not None:
            return Observation(Side.NEW, None, (), b"", took_ms, failure)
        return Observation(Side.NEW, status, headers, bytes(body[:cap]), took_ms, truncated=len(body) > cap)

    def _begun(self, request: OutboundRequest, told: Told | None, timeout_s: float) -> tuple[Call, asyncio.Task[None]]:
        """The app, started on a request."""
        loop = asyncio.get_running_loop()
        call, scope = Call(request, loop, idle_timeout_s=self._idle_timeout_s), self._scope(request)
        if told is not None:
            run = scope["extensions"][EXTENSION]
            run |= {"tell": told.tell} if request.commit else {"tell": told.tell, "budget_s": timeout_s}
        task = asyncio.Task(self._run(call, scope), loop=loop, name="handler")  # without one, a name would be made
        self._running[call] = task
        if told is not None:
            task.add_done_callback(lambda _: told.over.set())
        call.begin(task, timeout_s=timeout_s)
        return call, task

    async def websocket(
        self,
        scope: MutableMapping[str, Any],
        request: OutboundRequest,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> Failure | None:
        """Hand a client's WebSocket to the app, as a server would; a failure when the handshake has no answer yet."""
        own = self._scope(request)
        own.update({name: scope[name] for name in ("type", "scheme", "subprotocols") if name in scope})
        own["extensions"] = {**(scope.get("extensions") or {}), **own["extensions"]}
        socket = ClientSocket(receive, send)
        try:
            await self._app(own, socket.receive, socket.send)
        except BaseException as bug:  # the border to other people's code, as in `_run`
            if _is_cancelled():
                raise
            if not socket.lost:
                tell(bug)
            await socket.break_off()
        return None if socket.answered else Failure.NEW_CRASHED

    async def aclose(self) -> None:
        """Let the work behind whole answers end, for a while, then cancel what still runs."""
        whole = [task for call, task in self._running.items() if call.whole]
        if whole:
            await asyncio.wait(whole, timeout=GRACE_S)
        for call, task in list(self._running.items()):
            call.let_go()
            task.cancel()
        if self._running:  # an app may swallow its cancellation; it must not hold up the shutdown
            await asyncio.wait(list(self._running.values()), timeout=GRACE_S)

    async def _run(self, call: Call, scope: MutableMapping[str, Any]) -> None:
        try:
            await self._app(scope, call.receive, call.send)
        except BaseException as bug:  # noqa: BLE001 - the border to other people's code: whatever it raises is its
            # failure; SystemExit and KeyboardInterrupt would end the loop from within a task, and a cancellation
            # that was not ours has no reader to tell (ours has told the reader before)
            if not call.abandoned:
                tell(bug)
        finally:
            del self._running[call]
            call.fail(Failure.NEW_CRASHED)

    def _scope(self, request: OutboundRequest) -> MutableMapping[str, Any]:
        path, _, query = request.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": request.scheme,
            "path": _decoded(path),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(request.headers),
            "client": (request.client_ip, 0),
            "server": None,
            "state": dict(self._state),
            "extensions": {EXTENSION: {"commit": request.commit}},
        }


def _is_cancelled() -> bool:
    """Whether somebody has cancelled the task this runs in; an app may also raise CancelledError by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _decoded(path: bytes) -> str:
    """The path as ASGI wants it, decoded, but for encoded slashes.

    A `%2F` that became a slash would be another path than the one the route was found by: the app could
    answer from a route that nobody has flipped.
    """
    if b"%" not in path:
        return path.decode("latin-1")
    return "%2F".join(unquote(part) for part in _ENCODED_SLASH.split(path.decode("latin-1")))
