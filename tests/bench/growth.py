"""The four gigabytes: 1 GB up, 1 GB down, a client that reads slowly, an upstream that does not read. How much a front
grows while they pass, beyond what it held before: its largest process, resident, looked at every 20 ms.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import psutil

from tests.bench.fronts import Front
from tests.bench.streams import GIGABYTE

SLOW_S: Final = 6  # so long the slow client reads a megabyte a second, and the stalled upstream is waited for
_LOOK_S: Final = 0.02
_MB: Final = 1 << 20
_PIECE: Final = bytes(_MB)


@dataclass(frozen=True, slots=True)
class Growth:
    """What a front held before the first case, and by how much more it held at most in each (MiB)."""

    front: str
    before_mb: float
    cases: Mapping[str, float]

    @property
    def most_mb(self) -> float:
        """Over all cases."""
        return max(self.cases.values())


def measure(front: Front) -> Growth:
    """Take the four cases one after the other; OSError when one of them breaks."""
    process = max(front.child.family(), key=lambda one: one.memory_info().rss)
    for _ in range(20):
        _down(front.port, "/upload")
    before = process.memory_info().rss
    cases = {}
    for name, case in CASES.items():
        with _looked_at(process) as held:
            case(front.port)
        cases[name] = (max(held) - before) / _MB
    return Growth(front.name, before / _MB, cases)


def _up(port: int) -> None:
    with _asked(port, f"POST /upload HTTP/1.1\r\ncontent-length: {GIGABYTE}") as client:
        for _ in range(GIGABYTE // _MB):
            client.sendall(_PIECE)
        answer = client.recv(_MB)
    if f"x-length: {GIGABYTE}".encode() not in answer.lower():
        raise OSError(f"an upload of 1 GB did not arrive: {answer[:200]!r}")


def _gigabyte_down(port: int) -> None:
    got = _down(port, "/gigabyte")
    if got < GIGABYTE:
        raise OSError(f"of 1 GB {got} bytes arrived")


def _slow_reader(port: int) -> None:
    with _asked(port, "GET /gigabyte HTTP/1.1") as client:
        for _ in range(SLOW_S):
            left = _MB
            while left:
                left -= len(client.recv(min(left, 65536)))
            time.sleep(1)


def _stalled_upstream(port: int) -> None:
    with _asked(port, f"POST /stalled HTTP/1.1\r\ncontent-length: {GIGABYTE}") as client:
        client.settimeout(SLOW_S)
        with suppress(TimeoutError):
            for _ in range(GIGABYTE // _MB):
                client.sendall(_PIECE)
            raise OSError("a front took 1 GB for an upstream that read nothing of it")


CASES: Final[Mapping[str, Callable[[int], None]]] = {
    "1 GB up": _up,
    "1 GB down": _gigabyte_down,
    "slow reader": _slow_reader,
    "stalled upstream": _stalled_upstream,
}


def _down(port: int, path: str) -> int:
    with _asked(port, f"GET {path} HTTP/1.1\r\nconnection: close") as client:
        room, got = bytearray(_MB), 0
        while count := client.recv_into(room):
            got += count
    return got


@contextmanager
def _asked(port: int, head: str) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        client.sendall(f"{head}\r\nhost: bench.test\r\n\r\n".encode())
        yield client


@contextmanager
def _looked_at(process: psutil.Process) -> Iterator[list[int]]:
    """What a process holds, again and again, while the block runs."""
    held, over = [process.memory_info().rss], threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            held.append(process.memory_info().rss)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield held
    finally:
        over.set()
        looking.join()
