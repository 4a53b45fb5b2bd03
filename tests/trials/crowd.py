"""A crowd that takes much and asks for little: 2,000 idle event streams, 200 half-sent heads, 200 bodies that drip.

Ordinary clients ask at a steady pace with the crowd and without it, in turns. What counts is the median, over the
rounds, of the ratio of their 99th percentiles.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import uvloop

from gateway.proxy.server import Front
from tests.gateway.load import read_answer
from tests.gateway.running import Running, start_gateway
from tests.legacy.stack import REPOSITORY
from tests.ports import free_ports
from tests.trials import crowd_members
from tests.trials.verdict import Verdict, main

GATEWAY_CORE: Final = 0
OTHERS_CORE: Final = 1
ROUNDS: Final = 6
ROUND_S: Final = 5.0
CLIENTS: Final = 4
PAUSE_S: Final = 0.005
MOVED: Final = 1.20
_ANSWER: Final = "{}".ljust(1024)


def trial(front: Front, *, rounds: int = ROUNDS, round_s: float = ROUND_S) -> Iterator[Verdict]:
    """Rounds without and with the crowd, the first of each pair in turn."""
    _lift_file_limit()
    with tempfile.TemporaryDirectory(prefix="trial-") as folder, _legacy() as legacy:
        with _gateway(front, legacy, Path(folder)) as gateway:
            port = int(gateway.data.rpartition(":")[2])
            uvloop.run(_ask(port, 1.0))
            pairs = [_pair(port, round_s, crowded_first=bool(number % 2)) for number in range(rounds)]
    ratios = [crowded / alone for alone, crowded in pairs]
    p99 = " and ".join(f"{median(one) * 1000:.2f} ms" for one in zip(*pairs, strict=True))
    seen = f"{median(ratios):.2f} times (from {min(ratios):.2f} to {max(ratios):.2f}; p99 alone and crowded {p99})"
    crowd = f"{crowd_members.IDLE:,} idle streams, {crowd_members.HALF} half heads, {crowd_members.DRIPPING} drips"
    yield Verdict(f"an ordinary client's p99 beside {crowd}", f"at most {MOVED} times", seen, median(ratios) <= MOVED)


def _pair(port: int, round_s: float, *, crowded_first: bool) -> tuple[float, float]:
    """The 99th percentile alone and crowded, in seconds."""
    crowded = _crowded(port, round_s) if crowded_first else 0.0
    alone = uvloop.run(_ask(port, round_s))
    return alone, crowded or _crowded(port, round_s)


def _crowded(port: int, round_s: float) -> float:
    command = [sys.executable, "-m", "tests.trials.crowd_members", str(port)]
    members = _started(command, OTHERS_CORE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert members.stdin is not None
    assert members.stdout is not None
    try:
        if members.stdout.readline() != b"here\n":
            raise RuntimeError("the crowd did not come")
        time.sleep(1)
        return uvloop.run(_ask(port, round_s))
    finally:
        members.stdin.close()
        members.wait(30)
        members.stdout.close()
        time.sleep(1)


async def _ask(port: int, for_s: float) -> float:
    """Ordinary clients ask, each again after a pause; the 99th percentile of how long an answer takes."""
    took: list[float] = []
    over = time.monotonic() + for_s

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < over:
            begun = time.perf_counter()
            writer.write(b"GET /ordinary HTTP/1.1\r\nHost: trial.test\r\n\r\n")
            head, _ = await read_answer(reader)
            took.append(time.perf_counter() - begun)
            if not head.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(head.decode("latin-1"))
            await asyncio.sleep(PAUSE_S)
        writer.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return quantiles(took, n=100)[98]


@contextmanager
def _legacy() -> Iterator[int]:
    [port] = free_ports(1)
    process = _started([sys.executable, "-m", "tests.bench.streams", str(port), "trial", _ANSWER], OTHERS_CORE)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _gateway(front: Front, legacy: int, folder: Path) -> Iterator[Running]:
    (folder / "contracts").mkdir()
    sides = ("--legacy", f"http://127.0.0.1:{legacy}", "--contracts", str(folder / "contracts"))
    os.sched_setaffinity(0, {GATEWAY_CORE})  # what is started now inherits it
    gateway = start_gateway(*sides, "--front", front, "--max-connections", "5000", state=folder / "state")
    os.sched_setaffinity(0, {OTHERS_CORE})
    try:
        yield gateway
    finally:
        gateway.stop()


def _started(command: list[str], core: int, **more: int) -> subprocess.Popen[bytes]:
    pinned = ["taskset", "--cpu-list", str(core), *command]
    return subprocess.Popen(pinned, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, **more)  # type: ignore[call-overload, no-any-return]  # keywords by name


def _lift_file_limit() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


if __name__ == "__main__":
    main("crowd", trial, __doc__)
