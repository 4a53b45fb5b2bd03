"""Backends of a few lines for tests of whole gateways: each says who it is, after the time that the path names."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.gateway.running import Running, eventually


@dataclass(slots=True)
class Backend:
    """An HTTP/1.1 server in a thread; `/slow/MS` takes so many milliseconds, `/stream` never ends by itself."""

    name: str
    port: int = 0
    seen: list[bytes] = field(default_factory=list)
    under_way: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                target = head.split(b" ", 2)[1]
                self.seen.append(target)
                self.under_way += 1
                try:
                    await self._answer(target, writer)
                finally:
                    self.under_way -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the gateway has closed an idle connection, or has given up
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.close()

    async def _answer(self, target: bytes, writer: asyncio.StreamWriter) -> None:
        if target == b"/stream":
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                writer.write(b"5\r\ntick\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        if target.startswith(b"/slow/"):
            await asyncio.sleep(int(target.removeprefix(b"/slow/")) / 1000)
        body = self.name.encode()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()


Served = TypeVar("Served", bound=Backend)


@contextmanager
def backend(name: str) -> Iterator[Backend]:
    """Serve a backend that says who it is."""
    with backend_of(Backend, name) as served:
        yield served


@contextmanager
def backend_of(kind: type[Served], name: str) -> Iterator[Served]:
    """Serve a backend on a free port, in a loop of its own."""
    this, loop = kind(name), asyncio.new_event_loop()
    over = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(this.serve, "127.0.0.1", 0, backlog=1024)
        this.port = server.sockets[0].getsockname()[1]
        ready.set()
        await over.wait()
        server.close()

    ready = threading.Event()
    runner = asyncio.Runner(loop_factory=lambda: loop)  # cancels what still runs when it is closed
    thread = threading.Thread(target=runner.run, args=(serve(),), name=name)
    thread.start()
    ready.wait(10)
    try:
        yield this
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        runner.close()


@dataclass(frozen=True, slots=True)
class Sides:
    """Both backends, and the options of a gateway in front of them with the route `who`, GET /who."""

    legacy: Backend
    new: Backend
    contracts: Path

    @property
    def options(self) -> tuple[str, ...]:
        return ("--legacy", self.legacy.url, "--new", self.new.url, "--contracts", str(self.contracts))


@contextmanager
def sides(folder: Path) -> Iterator[Sides]:
    """Serve both sides; `folder` gets the contracts."""
    contracts = folder / "contracts"
    write_route(contracts, "who", "GET /who")
    with backend("legacy") as legacy, backend("new") as new:
        yield Sides(legacy, new, contracts)


def write_route(contracts: Path, key: str, request: str) -> None:
    """Write a contract of one route."""
    (contracts / key).mkdir(parents=True, exist_ok=True)
    (contracts / key / "route.yaml").write_text(f"route: {request}\neffect: read\nstickiness: client_ip\n")


def put_on_new(gateway: Running, route: str = "who") -> None:
    """Flip a route to the new side at once, and wait until the data plane says so."""
    answer = gateway.flip(route, "new", force=True, reason="a test")
    assert answer.status_code == 200, answer.text
    assert eventually(lambda: gateway.get("/who").text == "new")
