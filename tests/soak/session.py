"""One soak from start to end: both sides, a gateway, its clients, the unrest; and what it comes to."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from gateway.proxy.server import Front
from tests.gateway.running import Running, start_gateway
from tests.soak.client import Clients
from tests.soak.ledger import Ledger, Wrong
from tests.soak.legacy import Legacy
from tests.soak.plan import ROUTES
from tests.soak.unrest import FLIPPERS, Memory, end, flip, restart_gateway, restart_legacy

SETTLE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Soak:
    """What is asked of a run. Restarts that are never wanted are `inf` seconds apart."""

    seconds: float
    seed: int
    front: Front = "edge"
    clients: int = 32
    workers: int = 1
    gateway_restart_s: float = 20.0
    legacy_restart_s: float = 27.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    ledger: Ledger
    seconds: float
    memory: Memory


async def soak(wanted: Soak, folder: Path) -> Outcome:
    """Run one."""
    ledger, memory = Ledger(), Memory()
    legacy = Legacy(ledger)
    await legacy.open()
    notes = folder / "notes"
    try:
        gateway = await asyncio.to_thread(_start, wanted, folder, legacy.port, notes)
        try:
            clients = Clients(int(gateway.data.rpartition(":")[2]), wanted.seed, ledger)
            calm = asyncio.Lock()
            async with _unrest(wanted, gateway, legacy, ledger, memory, calm=calm):
                began = time.monotonic()
                await _run(clients, wanted, calm)
                took = time.monotonic() - began
        finally:
            await asyncio.to_thread(end, gateway)
    finally:
        await legacy.close()
    _read(notes, ledger)
    return Outcome(ledger, took, memory)


async def _run(clients: Clients, wanted: Soak, calm: asyncio.Lock) -> None:
    tasks = [asyncio.create_task(clients.run(number)) for number in range(wanted.clients)]
    await asyncio.wait(tasks, timeout=wanted.seconds, return_when=asyncio.FIRST_EXCEPTION)
    async with calm:  # a restart that has begun is seen through
        clients.over = True
    async with asyncio.timeout(SETTLE_S):
        await asyncio.gather(*tasks)


@asynccontextmanager
async def _unrest(
    wanted: Soak, gateway: Running, legacy: Legacy, ledger: Ledger, memory: Memory, *, calm: asyncio.Lock
) -> AsyncIterator[None]:
    """Everything that disturbs, while the block runs; a disturber that fails is an error of the run."""
    dice = random.Random(f"{wanted.seed} flips")
    tasks = [
        *(asyncio.create_task(flip(gateway, dice, ledger)) for _ in range(FLIPPERS)),
        asyncio.create_task(restart_gateway(gateway, ledger, wanted.gateway_restart_s, calm=calm)),
        asyncio.create_task(restart_legacy(legacy, ledger, wanted.legacy_restart_s)),
        asyncio.create_task(memory.watch(gateway.state)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def _start(wanted: Soak, folder: Path, legacy: int, notes: Path) -> Running:
    contracts = folder / "contracts"
    for key, route in ROUTES.items():
        (contracts / key).mkdir(parents=True)
        effect = "read" if route.startswith("GET") else "write"
        text = f"route: {route}\neffect: {effect}\nstickiness: header:x-caller\n"
        (contracts / key / "route.yaml").write_text(text)
    start = partial(start_gateway, "--legacy", f"http://127.0.0.1:{legacy}", "--new", "tests.soak.newside:build")
    return start(
        *("--contracts", str(contracts), "--front", wanted.front, "--workers", str(wanted.workers)),
        state=folder / "state",
        environment={"SOAK_NOTES": str(notes)},
    )


def _read(notes: Path, ledger: Ledger) -> None:
    """Count what the new side has seen."""
    for line in notes.read_text().splitlines() if notes.exists() else ():
        what, _, name = line.partition(" ")
        if what == "crossed":
            ledger.note(Wrong.CROSSED, f"the new side got another request or body under the name {name}")
        else:
            ledger.see_unsafe(name, side="new", copied=what == "copied")
