"""The reverse proxy of the tutorials: starlette and one shared httpx.AsyncClient, both as they come."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

HOP = {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]

Headers = list[tuple[bytes, bytes]]


def _end_to_end(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in HOP]


@asynccontextmanager
async def _lifespan(application: Starlette) -> AsyncIterator[None]:
    async with httpx.AsyncClient(base_url=os.environ["UPSTREAM"]) as client:
        application.state.client = client
        yield


async def _proxy(request: Request) -> StreamingResponse:
    client: httpx.AsyncClient = request.app.state.client
    headers = _end_to_end(request.headers.raw)
    if request.client is not None:
        headers.append((b"x-forwarded-for", request.client.host.encode()))
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    url = httpx.URL(path=request.url.path, query=request.url.query.encode())
    body = request.stream() if has_body else None
    asked = client.build_request(request.method, url, headers=headers, content=body)
    answer = await client.send(asked, stream=True)
    after = BackgroundTask(answer.aclose)
    response = StreamingResponse(answer.aiter_raw(), status_code=answer.status_code, background=after)
    response.raw_headers = _end_to_end(answer.headers.raw)
    return response


app = Starlette(routes=[Route("/{path:path}", _proxy, methods=METHODS)], lifespan=_lifespan)
