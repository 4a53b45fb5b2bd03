"""Whether a front works with the uvicorn that is installed: its door is tried once, on a connection that is none.

A front leans on uvicorn's protocol class, which is nobody's promise. One that fails here steps aside for uvicorn's
own (`server.py`), which refuses less at the door and is slower, but serves.
"""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import Any, Final, cast

import uvicorn
from uvicorn.server import ServerState

from gateway.proxy.door import Door
from gateway.proxy.doorkeeper import Doorkeeper

ASKED: Final = b"POST /a?b HTTP/1.1\r\nHost: self.check\r\nContent-Length: 2\r\n\r\nok"
EXPECTED: Final = b"HTTP/1.1 200 OK\r\nX-Seen: POST /a b ok\r\nContent-Length: 2\r\n\r\nok"
TURNS: Final = 20  # of the loop, for an answer that waits for nobody


class _NoTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1), "sockname": ("192.0.2.2", 2)})  # RFC 5737
        self.written = b""
        self.closing = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closing = True

    abort = close

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


def fault_of(door: type[Door]) -> str | None:
    """What goes wrong when a door is asked something, as a short text; None when it answers as it should."""
    found: list[str | None] = []
    # a thread, because this one may have a running loop already
    trial = Thread(target=lambda: found.append(asyncio.run(_try(door))), name="self-check")
    trial.start()
    trial.join()
    return found[0] if found else "the trial ended early"


async def _try(door: type[Door]) -> str | None:
    transport = _NoTransport()
    try:
        config = uvicorn.Config(_echo, log_config=None, lifespan="off")
        config.load()
        client = door(config, ServerState(), {}, asyncio.get_running_loop(), keeper=Doorkeeper())
        client.connection_made(transport)
        client.data_received(ASKED)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        client.shutdown()
        client.connection_lost(None)
    except Exception as bug:  # noqa: BLE001 - whatever it is, it is why this front cannot be used
        return type(bug).__name__
    return None if transport.written == EXPECTED else "it answers otherwise"


async def _echo(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    seen = f"{scope['method']} {scope['path']} {scope['query_string'].decode()} {message['body'].decode()}"
    headers = [(b"X-Seen", seen.encode()), (b"Content-Length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send(cast(Any, {"type": "http.response.body", "body": message["body"]}))
