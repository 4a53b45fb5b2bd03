"""The end of a server, as its callers see it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

from gateway.proxy.drain import QuietServer
from gateway.proxy.server import bind, data_server
from tests.gateway.proxy import harness
from tests.gateway.proxy.harness import OK, always, gateway, upstream


@asynccontextmanager
async def started() -> AsyncIterator[tuple[QuietServer, socket.socket]]:
    """A data plane's server that listens, and its socket; whoever uses it ends it."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        server, sock = data_server(served.gateway, drain_s=2, front=harness.front), bind("127.0.0.1:0")
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup([sock])
        yield server, sock


async def test_a_caller_whom_nobody_has_accepted_yet_is_served() -> None:
    """Connections that wait in the kernel when the server ends are answered, not reset."""
    async with started() as (server, sock):
        address = sock.getsockname()
        clients = [socket.create_connection(address) for _ in range(50)]  # the loop does not run meanwhile
        for client in clients:
            client.setblocking(False)
            client.send(b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
        await server.shutdown([sock])
        for client in clients:
            with client:
                assert client.recv(4096).startswith(b"HTTP/1.1 200 ")


async def test_a_server_that_shares_its_socket_leaves_the_waiting_to_the_others() -> None:
    """Its end takes the socket from nobody: who waits there is accepted by another holder."""
    async with started() as (server, sock):
        with closing(sock.dup()) as other:
            server.shares = True
            await server.shutdown([sock])
            with socket.create_connection(other.getsockname()) as client:
                other.setblocking(True)
                accepted, _ = await asyncio.to_thread(other.accept)
                with accepted:
                    client.send(b"hello")
                    assert await asyncio.to_thread(accepted.recv, 5) == b"hello"
