"""Real sockets around the data plane: a recording upstream that answers raw bytes, and a served gateway."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any

import uvicorn

from gateway.diff.rules import Rules
from gateway.message import Side
from gateway.proxy.app import Gateway, Limits
from gateway.proxy.doorkeeper import DoorLimits
from gateway.proxy.outbound import Addressing
from gateway.proxy.peer import Trust
from gateway.proxy.server import Front, data_server
from gateway.rollout.evidence import Stratum
from gateway.rollout.flag import Flag
from gateway.rollout.plan import Live, Plan, Source
from gateway.routing.route import Effect, Route, ShadowWrite, Stickiness
from gateway.routing.table import RouteTable
from gateway.routing.template import Template
from gateway.settings.values import Network
from gateway.shadow.finding import Finding, Found
from gateway.shadow.mirror import Bounds, Mirror
from gateway.shadow.rehearsals import Rehearsals
from gateway.shadow.served import ServedKind
from gateway.shadow.way import Replacements, Way
from gateway.upstream.http import HttpTransport
from gateway.upstream.inprocess import App, InProcess
from gateway.upstream.reach import Reach
from gateway.upstream.transport import Transport

front: Front = "edge"  # set by `conftest.py`: every test runs on both

Answer = Callable[["Received", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Received:
    """One request as it stood on the wire at the upstream."""

    head: bytes
    body: bytes = b""

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n")[0]

    @property
    def target(self) -> bytes:
        return self.line.split(b" ")[1]

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:]
        return [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines if line)]

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


@dataclass(slots=True)
class Upstream:
    """An HTTP/1.1 server that records what it is sent and answers with raw bytes."""

    answer: Answer
    received: list[Received] = field(default_factory=list)
    port: int = 0
    lost: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request = Received(head[:-4])
                self.received.append(request)
                await self.answer(request, reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):  # ValueError: a chunk's size that never came
            self.lost.set()
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.close()


async def read_body(request: Received, reader: asyncio.StreamReader) -> bytes:
    """Read a request's body by its framing and keep it in the record."""
    if request.values(b"transfer-encoding"):
        while size := int(await reader.readline(), 16):
            request.body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    elif length := request.values(b"content-length"):
        request.body += await reader.readexactly(int(length[0]))
    return request.body


def always(raw: bytes) -> Answer:
    """Answer every request with these bytes."""

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(request, reader)
        writer.write(raw)

    return answer


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def until(true: Callable[[], bool]) -> None:
    """Wait, at most 30 s, for something that other parties make true."""
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110 - there is no event to wait for, only a state to look at
            await asyncio.sleep(0.005)


@asynccontextmanager
async def upstream(answer: Answer) -> AsyncIterator[Upstream]:
    """Serve an upstream on a free port."""
    this = Upstream(answer)
    server = await asyncio.start_server(this.serve, "127.0.0.1", 0, limit=2**20)
    this.port = server.sockets[0].getsockname()[1]
    try:
        yield this
    finally:
        server.close()


class Kept:
    """An evidence sink that keeps findings in a list."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.served: Counter[Stratum] = Counter()  # what nobody compared

    async def store(self, findings: Sequence[Found]) -> None:
        self.findings += [found.opened() for found in findings]

    async def store_served(self, kinds: Mapping[ServedKind, int]) -> None:
        for (_, _, stratum), served in kinds.items():
            self.served[stratum] += served


@dataclass(slots=True)
class Served:
    """A gateway that listens."""

    port: int
    live: Live
    kept: Kept
    gateway: Gateway
    leave_alone: set[Side]  # as if the breakers of these were open, for copies
    busy: Callable[[], bool]  # whether anybody is connected, or anything of theirs under way
    connected: Callable[[], int]  # how many clients are

    def flag(self, flag: Flag) -> None:
        self.live.replace({**self.live.plan.flags, flag.route: flag}, Source.DATABASE)

    async def found(self, count: int) -> list[Finding]:
        """Wait until that many findings are stored."""
        await until(lambda: len(self.kept.findings) >= count)
        return self.kept.findings


def route(
    key: str,
    text: str,
    *,
    effect: Effect = Effect.READ,
    new: str | None = None,
    stickiness: str = "header:x-user",
    timeout_s: float | None = None,
    rehearsed: bool = False,
    rescue: bool = False,
) -> Route:
    """A route such as `GET /api/lots`; `rehearsed` writes may be shadowed."""
    method, _, path = text.partition(" ")
    template = Template.parse(path)
    new_path = template if new is None else Template.parse(new)
    return Route(
        key,
        method,
        template,
        effect,
        "g",
        Stickiness.parse(stickiness),
        new_path,
        shadow_write=ShadowWrite.ROLLED_BACK if rehearsed else ShadowWrite.NEVER,
        timeout_s=timeout_s,
        rescue=rescue,
    )


@asynccontextmanager
async def gateway(
    legacy: str,
    *,
    routes: Iterable[Route] = (),
    flags: Iterable[Flag] = (),
    new: App | str | None = None,
    rules: Mapping[str, Rules] | None = None,
    trusted: Sequence[Network] = (),
    timeout_s: float = 5.0,
    idle_timeout_s: float = 5.0,
    capture_bytes: int = 100_000,
    queue: int = 100,
    held_bytes: int = 32 * 1024 * 1024,
    replaced: Mapping[Side, Replacements] = MappingProxyType({}),
    pseudonym: str = "strangler-test",
    limits: DoorLimits | None = None,
    announced: bool = False,
    websocket_idle_s: float = 0.0,
    reach: Reach | None = None,
    new_state: MutableMapping[str, Any] | None = None,
    rehearsal_s: float = 5.0,
    rehearsals_at_once: int = 8,
    tick_s: float = 0.05,
    rechecks: float = 100.0,
) -> AsyncIterator[Served]:
    """Serve the data plane on a free port, in front of a legacy URL, by the front that is under test."""
    live = Live(Plan(RouteTable(routes), {flag.route: flag for flag in flags}, Source.DATABASE), fresh=True)
    origins = {Side.LEGACY: legacy, **({Side.NEW: new} if isinstance(new, str) else {})}
    transports: dict[Side, Transport] = {
        side: HttpTransport(origin, side=side, connect_timeout_s=10.0, idle_timeout_s=idle_timeout_s, reach=reach)
        for side, origin in origins.items()
    }
    if new is not None and not isinstance(new, str):
        transports[Side.NEW] = InProcess(new, state=new_state)
    kept = Kept()
    known = rules or {}
    bounds = Bounds(
        queue,
        4,
        timeout_s=2.0,
        cap=capture_bytes,
        held_bytes=held_bytes,
        flush_s=0.02,
        tick_s=tick_s,
        rechecks=rechecks,
    )
    left_alone: set[Side] = set()
    ways = {
        side: Way(side, transport, replaced.get(side, ()), partial(left_alone.__contains__, side))
        for side, transport in transports.items()
    }
    mirror = Mirror(ways, lambda key: known.get(key, Rules()), kept, bounds)
    mirror.start()
    inside, rehearsals = transports.get(Side.NEW), None
    if isinstance(inside, InProcess):
        rehearsals = Rehearsals(inside, mirror, budget_s=rehearsal_s, concurrency=rehearsals_at_once, cap=capture_bytes)
    app = Gateway(
        live=live,
        transports=transports,
        origins=origins,
        addressing=Addressing.of(pseudonym, legacy, origins.get(Side.NEW), "auto"),
        mirror=mirror,
        limits=Limits(timeout_s, 1.0, capture_bytes, websocket_idle_s),
        trust=Trust(tuple(trusted)),
        names_side=True,
        rehearsals=rehearsals,
    )
    server = data_server(app, drain_s=1, front=front, limits=limits, announced=announced)
    server.shares = True  # nobody is left in the backlog when a test is over
    try:
        async with _listening(server) as port:
            state = server.server_state
            busy, connected = lambda: bool(state.connections or state.tasks), lambda: len(state.connections)
            yield Served(port, live, kept, app, left_alone, busy, connected)
    finally:
        if rehearsals is not None:
            await rehearsals.aclose()
        await mirror.aclose()
        for transport in transports.values():
            await transport.aclose()


@asynccontextmanager
async def _listening(server: uvicorn.Server) -> AsyncIterator[int]:
    """Do what `server.serve` does, but for looking ten times a second whether it is over; gives the port."""
    sock = socket.socket(proto=socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY on nothing else
    sock.bind(("127.0.0.1", 0))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup([sock])
    try:
        yield int(sock.getsockname()[1])
    finally:
        await server.shutdown([sock])


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it stood on the wire at the client."""

    raw: bytes

    @property
    def head(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def status(self) -> int:
        return int(self.raw[9:12])

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:]
        return [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key.lower() == name]


async def ask(port: int, head: bytes, body: bytes = b"") -> Reply:
    """Send one raw request with `Connection: close` and read until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    try:
        lines = head.replace(b"\n", b"\r\n")
        if b"\r\nhost:" not in lines.lower():
            lines += b"\r\nHost: shop.test"
        writer.write(lines + b"\r\nConnection: close\r\n\r\n" + body)
        async with asyncio.timeout(30):
            raw = await reader.read()
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return Reply(raw)


def get(path: str, *headers: str) -> bytes:
    """A GET request's head without its end."""
    return "\n".join([f"GET {path} HTTP/1.1", *headers]).encode()
