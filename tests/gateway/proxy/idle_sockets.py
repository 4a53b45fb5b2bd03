"""What idle WebSockets weigh: `python -m tests.gateway.proxy.idle_sockets 10000`.

It tells the memory of the gateway before and after, with every socket open and heard from, and needs two file
descriptors a socket (`ulimit -n`).
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import uvloop

from tests.gateway.proxy.sockets import HANDSHAKE, SWITCH
from tests.gateway.running import start_gateway

AT_ONCE = 200
HELLO = b"\x81\x05hello"


class Legacy(asyncio.Protocol):
    """Accepts whatever is asked and says hello."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.transport.write(SWITCH + HELLO)


class Client(asyncio.Protocol):
    """Done when it has heard hello."""

    def __init__(self) -> None:
        self.got = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(HANDSHAKE)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.got += data
        if self.got.endswith(HELLO) and not self.done.done():
            self.done.set_result(None)


async def legacy() -> None:
    """Serve until killed; the port is the first line."""
    server = await asyncio.get_running_loop().create_server(Legacy, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


async def clients(port: int, count: int) -> None:
    """Open them, say so, and hold them until standard input ends."""
    places = asyncio.Semaphore(AT_ONCE)
    held = []

    async def one() -> None:
        async with places:
            transport, client = await asyncio.get_running_loop().create_connection(Client, "127.0.0.1", port)
            await client.done
            held.append(transport)

    await asyncio.gather(*(one() for _ in range(count)))
    print(len(held), flush=True)
    await asyncio.to_thread(sys.stdin.read)


def measure(count: int) -> None:
    """Start everything, open the sockets, print what they weigh."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    this = [sys.executable, "-m", "tests.gateway.proxy.idle_sockets"]
    with TemporaryDirectory() as folder:
        backend = subprocess.Popen([*this, "legacy"], stdout=subprocess.PIPE, text=True)
        assert backend.stdout is not None
        gateway = start_gateway("--legacy", f"http://127.0.0.1:{int(backend.stdout.readline())}", state=Path(folder))
        process = psutil.Process(gateway.process.pid)
        before = process.memory_info().rss
        port = gateway.data.rpartition(":")[2]
        front = subprocess.Popen(
            [*this, "clients", port, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            assert front.stdout is not None
            opened = int(front.stdout.readline())
            after = process.memory_info().rss
            each = (after - before) / opened / 1024
            print(f"{opened} sockets: {before / 2**20:.0f} MiB before, {after / 2**20:.0f} after, {each:.1f} KiB each")
        finally:
            front.kill()
            front.wait()
            gateway.stop()
            backend.kill()
            backend.wait()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["legacy"]:
            uvloop.run(legacy())
        case ["clients", port, count]:
            uvloop.run(clients(int(port), int(count)))
        case [count]:
            measure(int(count))
        case _:
            sys.exit("how many sockets?")
