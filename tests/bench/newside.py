"""The new side of the run, in the gateway's process: the bytes that the upstream answers, from a plain ASGI app."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tests.bench.upstream import one_kilobyte

Message = MutableMapping[str, Any]


def build() -> Callable[..., Awaitable[None]]:
    """An ASGI app that answers everything with 1 KB; BENCH_MARK is the run's mark."""
    mark = os.environ["BENCH_MARK"]
    body = one_kilobyte(mark).encode()
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length), (b"x-mark", mark.encode())]

    async def app(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[..., Awaitable[None]]
    ) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("there is nothing to start")
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
