"""Both ends of a gateway in the hands of a trial: raw sockets of a client and of an origin, which do as told."""

from __future__ import annotations

import select
import socket
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil

from gateway.proxy.server import Front
from tests.gateway.running import Running, start_gateway

PIECE: Final = bytes(1 << 20)
PATIENCE_S: Final = 10.0
_NOW: Final = struct.pack("ii", 1, 0)  # linger for no time: closing is a reset


class Ends:
    """A gateway in front of an origin that accepts what it is told to accept."""

    def __init__(self, gateway: Running, listening: socket.socket) -> None:
        self.gateway = gateway
        self._listening = listening
        self._port = int(gateway.data.rpartition(":")[2])

    @contextmanager
    def exchange(self, request: str, *fields: str) -> Iterator[tuple[socket.socket, socket.socket]]:
        """A client that has sent the head of a request, and the origin's connection, which has read it."""
        with socket.create_connection(("127.0.0.1", self._port), PATIENCE_S) as client:
            lines = (f"{request} HTTP/1.1", "host: trial.test", *fields, "", "")
            client.sendall("\r\n".join(lines).encode())
            origin, _ = self._listening.accept()
            with origin:
                origin.settimeout(PATIENCE_S)
                read_head(origin)
                yield client, origin

    def let_go_s(self, *, at_most_s: float = PATIENCE_S) -> float:
        """Seconds until the gateway has no connection to the origin any more; inf when it keeps one."""
        begun, port = time.monotonic(), self._listening.getsockname()[1]
        process = psutil.Process(self.gateway.process.pid)
        while any(one.raddr and one.raddr.port == port for one in process.net_connections("tcp")):
            if time.monotonic() - begun > at_most_s:
                return float("inf")
            time.sleep(0.02)
        return time.monotonic() - begun

    def held(self) -> int:
        """Bytes that the gateway's own process holds in memory."""
        return int(psutil.Process(self.gateway.process.pid).memory_info().rss)


@contextmanager
def ends(front: Front, *options: str) -> Iterator[Ends]:
    """Start a gateway of one process in front of an origin of ours."""
    with tempfile.TemporaryDirectory(prefix="trial-") as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE_S)
        empty = Path(folder) / "contracts"
        empty.mkdir()
        legacy = f"http://127.0.0.1:{listening.getsockname()[1]}"
        more = ("--contracts", str(empty), "--front", front, *options)
        gateway = start_gateway("--legacy", legacy, *more, state=Path(folder) / "state")
        try:
            yield Ends(gateway, listening)
        finally:
            gateway.stop()


def read_head(sock: socket.socket) -> bytes:
    """A head and what came with it."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = sock.recv(65536)
        if not more:
            raise ConnectionError(f"closed within a head: {got!r}")
        got += more
    return got


def push(sock: socket.socket, size: int, *, quiet_s: float) -> int:
    """Send until all is gone or nothing more is taken for a while; how many bytes were taken."""
    sock.settimeout(quiet_s)
    sent = 0
    with suppress(TimeoutError):
        while sent < size:
            sent += sock.send(PIECE[: min(len(PIECE), size - sent)])
    sock.settimeout(PATIENCE_S)
    return sent


def drain(sock: socket.socket, size: int) -> int:
    """Read so many bytes, or up to the end; how many came."""
    room, got = bytearray(1 << 20), 0
    with suppress(ConnectionError):
        while got < size and (count := sock.recv_into(room, min(len(room), size - got))):
            got += count
    return got


def reset(sock: socket.socket) -> None:
    """Leave at once."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOW)
    sock.close()


def end_heard_s(sock: socket.socket, *, at_most_s: float = PATIENCE_S) -> float:
    """Seconds until this end hears that the other has closed or reset, though it does not read; inf: never."""
    begun = time.monotonic()
    look = select.poll()
    look.register(sock.fileno(), select.POLLRDHUP)
    return time.monotonic() - begun if look.poll(at_most_s * 1000) else float("inf")


def end_read_s(sock: socket.socket, *, at_most_s: float = PATIENCE_S) -> float:
    """Seconds until this end, which reads on, has read the end; inf when it does not come."""
    begun = time.monotonic()
    sock.settimeout(at_most_s)
    try:
        while sock.recv(1 << 20):
            pass
    except TimeoutError:
        return float("inf")
    except ConnectionError:
        pass
    return time.monotonic() - begun
