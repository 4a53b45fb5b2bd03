"""Places to connect to: some that come and go, some that never answer, several behind one name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager

from gateway.relay.address import Origin
from gateway.relay.addresses import Addresses
from gateway.relay.breaker import Rules
from gateway.relay.pool import Bounds, Pool
from tests.gateway.proxy.harness import Answer, Upstream

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


class Place(Upstream):
    """An upstream that can go away, with all its connections, and come back to where it was."""

    def __init__(self, answer: Answer, host: str) -> None:
        super().__init__(answer)
        self.host = host
        self.accepted = 0
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    @property
    def origin(self) -> Origin:
        return Origin(self.host, self.port)

    async def start(self, port: int = 0) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.accepted += 1
            self._writers.append(writer)
            await self.serve(reader, writer)

        self._server = await asyncio.start_server(serve, self.host, port or self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def refuse(self) -> None:
        """Take no more connections."""
        if self._server is not None:
            self._server.close()

    def stop(self) -> None:
        self.refuse()
        self.cut()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@asynccontextmanager
async def places(*answers: Answer) -> AsyncIterator[list[Place]]:
    """One place per answer: the same port of several addresses of the loopback."""
    made: list[Place] = []
    try:
        for host, answer in zip(HOSTS, answers, strict=False):
            place = Place(answer, host)
            await place.start(made[0].port if made else 0)
            made.append(place)
        yield made
    finally:
        for place in made:
            place.stop()


@contextmanager
def black_hole(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A port that neither accepts nor refuses, because its backlog is full."""
    with socket.socket() as full, ExitStack() as fillers:
        full.bind((host, port))
        full.listen(0)
        for _ in range(3):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield int(full.getsockname()[1])


class Names:
    """A resolver whose answers the test writes; None stands for a failure."""

    def __init__(self, *hosts: str) -> None:
        self.hosts: Sequence[str] | None = hosts
        self.asked = 0
        self.hanging = False

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        if self.hanging:
            await asyncio.Event().wait()
        if self.hosts is None:
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return self.hosts


def pool_of(
    *origins: Origin,
    rules: Rules | None = None,
    bounds: Bounds | None = None,
    names: Names | None = None,
    ttl_s: float = 30.0,
) -> Pool:
    """A pool to several places, or to what a name leads to."""
    resolve = names or Names()
    return Pool(Addresses(*origins, rules=rules, ttl_s=ttl_s, resolve=resolve), bounds or Bounds(connect_s=5.0))
