"""Calls the new side: as a function in this process, or over a real socket behind uvicorn."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its header names in lower case."""

    status: int
    headers: tuple[Header, ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value.decode() for key, value in self.headers if key == name.encode()), None)

    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """Sends requests to an app that is running, without a socket in between."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def send(
        self,
        method: str,
        target: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        commit: bool | None = None,
        run: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Run one request to its end. `body` is JSON unless it is bytes; The gateway says `commit`, or `run`."""
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        path, _, query = target.partition("?")
        kind = {} if body is None else {"content-type": "application/json", "content-length": str(len(raw))}
        named = {**kind, **{name.lower(): value for name, value in (headers or {}).items()}}
        pairs = [(name.encode(), value.encode()) for name, value in named.items()]
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": pairs,
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        if commit is not None:
            scope["extensions"] = {"strangler.run": {"commit": commit}}
        if run is not None:
            scope["extensions"] = {"strangler.run": run}
        return await self._run(scope, raw)

    async def _run(self, scope: dict[str, Any], raw: bytes) -> Answer:
        incoming = iter([{"type": "http.request", "body": raw, "more_body": False}])
        sent: list[Any] = []

        async def receive() -> Any:
            message = next(incoming, None)
            if message is None:
                await asyncio.Event().wait()  # the client stays and says nothing more
            return message

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        head, *rest = sent
        body = b"".join(message["body"] for message in rest)
        return Answer(head["status"], tuple((bytes(k), bytes(v)) for k, v in head["headers"]), body)


@contextlib.asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[Caller]:
    """An app between the start and the end of its lifespan."""
    async with app.router.lifespan_context(app):
        yield Caller(app)


@contextlib.asynccontextmanager
async def serving(app: FastAPI) -> AsyncIterator[tuple[str, int]]:
    """An app behind uvicorn on a free port."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", ws="none"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()
    finally:
        server.should_exit = True
        await task


async def exchange(address: tuple[str, int], request: bytes) -> Answer:
    """Send bytes on a connection of their own and read until it closes."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    pairs = (line.split(b": ", 1) for line in lines)
    return Answer(int(status.split()[1]), tuple((name.lower(), value) for name, value in pairs), body)


def request_bytes(
    method: str, target: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """A request as it goes over the wire; a body is sent as JSON."""
    lines = [f"{method} {target} HTTP/1.1", "Host: flow-viz", "Connection: close"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")
