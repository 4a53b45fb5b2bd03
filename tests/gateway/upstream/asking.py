"""Apps are asked here: the request, the answer that must be one, its whole body."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from gateway.message import Headers, OutboundRequest, Response
from gateway.upstream.inprocess import App, InProcess

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
START = {"type": "http.response.start", "status": 200, "headers": [(b"x", b"1")]}


def start(*headers: tuple[bytes, bytes], status: int = 200) -> MutableMapping[str, Any]:
    """The first message of an answer."""
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def part(body: bytes, *, more: bool = True) -> MutableMapping[str, Any]:
    """A part of an answer's body."""
    return {"type": "http.response.body", "body": body, "more_body": more}


def request(
    body: AsyncIterator[bytes] | bytes | None = None, *, method: str = "POST", headers: Headers = ((b"host", b"x"),)
) -> OutboundRequest:
    """A request to the app."""
    return OutboundRequest(method, b"/a%2Fb?c=%20", headers, body, "http", "10.0.0.1")


async def answered(
    app: App,
    body: AsyncIterator[bytes] | bytes | None = None,
    *,
    method: str = "POST",
    timeout_s: float = 20,
    idle_timeout_s: float = 20,
) -> Response:
    """The app's answer, which must be one."""
    transport = InProcess(app, idle_timeout_s=idle_timeout_s)
    answer = await transport.send(request(body, method=method), timeout_s=timeout_s)
    assert isinstance(answer, Response)
    return answer


async def read(response: Response) -> bytes:
    """The whole body."""
    return b"".join([chunk async for chunk in response.body])
