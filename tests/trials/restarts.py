"""Ends and restarts of a loaded gateway: a worker is killed, 200 requests are in flight at SIGTERM, ten times SIGUSR2.

No request may fail. Only a killed worker takes what it was doing with it: a request it held, on a connection it held.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import psutil

from gateway.proxy.server import Front
from tests.gateway.backends import Sides, sides
from tests.gateway.load import Load, load, read_answer
from tests.gateway.running import Running, eventually, start_gateway
from tests.trials.verdict import Verdict, main

CLIENTS: Final = 32
IN_FLIGHT: Final = 200
RESTARTS: Final = 10
START_S: Final = 60.0


def trial(front: Front, *, restarts: int = RESTARTS) -> Iterator[Verdict]:
    """All of it on one front."""
    with _gateway(front, workers=2) as (gateway, _):
        yield asyncio.run(_killed(gateway))
    for workers in (1, 2):
        with _gateway(front, workers) as (gateway, both):
            yield asyncio.run(_restarted(gateway, f"workers {workers}", restarts))
            yield asyncio.run(_ended(gateway, f"workers {workers}", both))


async def _killed(gateway: Running) -> Verdict:
    async with _loaded(gateway) as asked:
        victim = max(_workers(gateway), key=lambda pid: len(_connections(pid, gateway)))
        held = len(_connections(victim, gateway))
        os.kill(victim, signal.SIGKILL)
        await _eventually(lambda: len(_workers(gateway) - {victim}) == 2)
        await _more(asked, 1_000)
    refused = [failure for failure in asked.failed if not failure.startswith("answer: ")]
    cut = len(asked.failed) - len(refused) + asked.lost
    seen = f"{asked.answered:,} answered, {len(refused)} failed, {cut} cut on the {held} connections it held"
    return Verdict("kill -9 of one of two workers", "no other request fails", seen, not refused and cut <= held)


async def _restarted(gateway: Running, workers: str, restarts: int) -> Verdict:
    async with _loaded(gateway) as asked:
        for number in range(1, restarts + 1):
            _process(gateway).send_signal(signal.SIGUSR2)
            await _eventually(lambda wanted=number: _renewals(gateway) == wanted)
            await _more(asked, 500)
    seen = f"{asked.answered:,} answered, {len(asked.failed)} failed, {asked.lost} lost {asked.failed[:3] or ''}"
    what = f"{restarts} restarts by SIGUSR2 under load, {workers}"
    return Verdict(what, "no request fails", seen.rstrip(), not asked.failed and not asked.lost)


async def _ended(gateway: Running, workers: str, both: Sides) -> Verdict:
    asking = [asyncio.create_task(_ask(gateway, b"/slow/1500")) for _ in range(IN_FLIGHT)]
    await _eventually(lambda: both.legacy.under_way == IN_FLIGHT)
    _process(gateway).send_signal(signal.SIGTERM)
    answers = await asyncio.gather(*asking, return_exceptions=True)
    whole = answers.count(b"legacy")
    what = f"SIGTERM with {IN_FLIGHT} requests in flight, {workers}"
    return Verdict(what, "each is answered", f"{whole} answered", whole == IN_FLIGHT)


@contextmanager
def _gateway(front: Front, workers: int) -> Iterator[tuple[Running, Sides]]:
    with tempfile.TemporaryDirectory(prefix="trial-") as name, sides(Path(name)) as both:
        options = (*both.options, "--front", front, "--workers", str(workers))
        gateway = start_gateway(*options, state=Path(name) / "state")
        try:
            if workers > 1:
                eventually(lambda: len(_workers(gateway)) == workers, within=START_S)
            yield gateway, both
        finally:
            for line in _events(gateway, "gateway_ready"):
                with suppress(ProcessLookupError):
                    os.kill(line["pid"], signal.SIGTERM)
            gateway.process.wait(START_S)


@asynccontextmanager
async def _loaded(gateway: Running) -> AsyncIterator[Load]:
    async with load(_port(gateway), CLIENTS) as asked:
        await _more(asked, 500)
        yield asked


async def _ask(gateway: Running, target: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", _port(gateway))
    try:
        writer.write(b"GET %b HTTP/1.1\r\nHost: trial.test\r\n\r\n" % target)
        head, body = await read_answer(reader)
        return body if head.startswith(b"HTTP/1.1 200 ") else head
    finally:
        writer.close()


async def _more(asked: Load, count: int) -> None:
    before = asked.answered
    await _eventually(lambda: asked.answered >= before + count)


async def _eventually(look: Any) -> None:
    if not await asyncio.to_thread(eventually, look, within=START_S):
        raise TimeoutError("what was waited for did not happen")


def _port(gateway: Running) -> int:
    return int(gateway.data.rpartition(":")[2])


def _workers(gateway: Running) -> set[int]:
    return {worker["pid"] for worker in gateway.ready().get("workers", []) if worker["ready"]}


def _connections(pid: int, gateway: Running) -> list[Any]:
    every = psutil.Process(pid).net_connections("tcp")
    return [one for one in every if one.laddr.port == _port(gateway) and one.raddr]


def _process(gateway: Running) -> psutil.Process:
    return psutil.Process(_events(gateway, "gateway_ready")[-1]["pid"])


def _renewals(gateway: Running) -> int:
    """Restarts that are done: of one process a successor that is ready, of a fleet all workers renewed."""
    return len(_events(gateway, "gateway_ready")) - 1 + len(_events(gateway, "workers_renewed"))


def _events(gateway: Running, name: str) -> list[dict[str, Any]]:
    lines = (gateway.state / "gateway.log").read_text().splitlines()
    read = [json.loads(line) for line in lines if f'"{name}"' in line]
    return [line for line in read if line["event"] == name]


if __name__ == "__main__":
    main("restarts", trial, __doc__)
