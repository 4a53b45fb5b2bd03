"""What one request costs the interpreter: the sockets at both ends only pretend, so that no other load is in it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from time import perf_counter
from typing import Any, Final, cast

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from gateway.app.machine import settle_memory
from gateway.diff.rules import Rules
from gateway.message import OutboundRequest, Side
from gateway.proxy.app import Gateway, Limits
from gateway.proxy.outbound import Addressing
from gateway.proxy.peer import Trust
from gateway.proxy.server import Front, data_server, quiet_config
from gateway.rollout.flag import Flag
from gateway.rollout.plan import Live, Plan, Source
from gateway.rollout.stage import Stage
from gateway.routing.table import RouteTable
from gateway.shadow.mirror import Bounds, Mirror
from gateway.shadow.way import Way
from gateway.upstream.http import HttpTransport
from gateway.upstream.inprocess import InProcess
from tests.bench.callers import ROUTE, SHARE, cohort
from tests.bench.newside import build
from tests.bench.report import markdown
from tests.bench.upstream import one_kilobyte
from tests.gateway.proxy.harness import Kept, always, route, upstream

_MARK: Final = "socketless"
_WARM: Final = 2_000  # requests
_REPEATS: Final = 100
_COUNT: Final = 200  # requests of one repeat
_ROUTES: Final = {"relayed": "things", "in the process": "canary"}


def run() -> str:
    """A table of the times."""
    return markdown(("one request without sockets", "us"), ([name, f"{us:.1f}"] for name, us in _subjects()))


def _subjects() -> Iterator[tuple[str, float]]:
    """The best time of a request: by front, by who answers, by what is asked."""
    os.environ["BENCH_MARK"] = _MARK
    for front in ("edge", "asgi"):
        for who, path in _ROUTES.items():
            for asked, heads in (("the same head", 1), ("heads that differ", 100)):
                yield f"{front}, {who}, {asked}", uvloop.run(_cost_us(front, _requests(path, heads)))
    yield "uvicorn and the same app, heads that differ", uvloop.run(_cost_us(None, _requests("canary", 100)))


def _requests(path: str, heads: int) -> list[bytes]:
    line = f"GET /api/{path}/42 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: */*\r\n"
    return [f"{line}X-Caller: {caller}\r\n\r\n".encode() for caller in cohort(heads)]


class _Wire(asyncio.Transport):
    """Takes what is written, and has the other end react to its `end` on the next turn of the loop."""

    def __init__(self, end: bytes, react: Callable[[], object]) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 8080)})
        self._end, self._react, self._loop = end, react, asyncio.get_running_loop()

    def write(self, data: Any) -> None:
        if data.endswith(self._end):
            self._loop.call_soon(self._react)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


async def _cost_us(front: Front | None, requests: Sequence[bytes]) -> float:
    """The best time of one request, asked one after the other on one connection; None is uvicorn with the app alone."""
    if front is None:
        config = quiet_config(build(), http=HttpToolsProtocol)
        config.load()
        return await _best_us(config, requests)
    body = one_kilobyte(_MARK).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with upstream(always(answer)) as legacy:
        transport = HttpTransport(legacy.url, side=Side.LEGACY)
        await transport.send(OutboundRequest("GET", b"/", (), None, "http", "127.0.0.1"), timeout_s=5)
        connection = transport.pool.pick()
        assert connection is not None
        connection.transport = _Wire(b"\r\n\r\n", lambda: connection.data_received(answer))
        transport.pool.give_back(connection)
        gateway = _gateway(legacy.url, {Side.LEGACY: transport, Side.NEW: InProcess(build())})
        config = data_server(gateway, drain_s=1, front=front).config
        config.load()
        try:
            return await _best_us(config, requests)
        finally:
            await gateway.mirror.aclose()
            await transport.aclose()


def _gateway(url: str, transports: dict[Side, HttpTransport | InProcess]) -> Gateway:
    routes = [
        replace(route(ROUTE, "GET /api/canary/{id}", stickiness="header:x-caller"), group=ROUTE),
        route("things.get", "GET /api/things/{id}"),
    ]
    flag = Flag(ROUTE, stage=Stage.CANARY, canary=SHARE, sample=0)
    mirror = Mirror({side: Way(side, way) for side, way in transports.items()}, lambda _: Rules(), Kept(), Bounds())
    mirror.start()
    return Gateway(
        live=Live(Plan(RouteTable(routes), {ROUTE: flag}, Source.DATABASE), fresh=True),
        transports=transports,
        origins={Side.LEGACY: url},
        addressing=Addressing.of("strangler-bench", url, None, "auto"),
        mirror=mirror,
        limits=Limits(5.0, 1.0, 100_000),
        trust=Trust(()),
        names_side=True,
    )


async def _best_us(config: uvicorn.Config, requests: Sequence[bytes]) -> float:
    make = cast(Any, config.http_protocol_class)
    client = make(config=config, server_state=ServerState(), app_state={}, _loop=asyncio.get_running_loop())
    asked, left, done = cycle(requests), 0, asyncio.Event()

    def ask() -> None:
        nonlocal left
        left -= 1
        done.set() if left < 0 else client.data_received(next(asked))

    async def ask_for(count: int) -> float:
        nonlocal left
        left = count
        done.clear()
        begun = perf_counter()
        ask()
        await done.wait()
        return (perf_counter() - begun) / count * 1e6

    client.connection_made(_Wire(one_kilobyte(_MARK).encode()[-8:], ask))  # uvicorn writes an answer's head by itself
    await ask_for(_WARM)
    settle_memory()
    return min([await ask_for(_COUNT) for _ in range(_REPEATS)])
