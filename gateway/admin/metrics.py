"""GET /metrics: the figures of all workers. It needs no token, as probes need none: no figure tells a secret."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from gateway.metrics.exposition import expose
from gateway.metrics.snapshot import Snapshot

Figures = Callable[[], Awaitable[Snapshot]]


def metrics_endpoint(figures: Figures) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint over whatever knows the figures: this process, or the one that has the workers."""

    async def metrics(request: Request) -> Response:
        snapshot = await figures()
        # a thousand routes make some tens of thousands of lines, and the loop serves clients
        text, kind = await asyncio.to_thread(expose, snapshot, request.headers.get("accept", ""))
        return Response(text, headers={"content-type": kind})

    return metrics
