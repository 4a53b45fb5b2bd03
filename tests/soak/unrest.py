"""What makes the soak hard: flags that flip without a pause, a gateway that is restarted, a legacy that goes away."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from tests.gateway.load import read_answer
from tests.gateway.running import Running, eventually
from tests.soak.ledger import Ledger
from tests.soak.legacy import Legacy
from tests.soak.plan import ROUTES

FLIP_S: Final = 0.01
FLIPPERS: Final = 8  # a flip is written to the database and takes longer than the time between two
AWAY_S: Final = 0.3
START_S: Final = 60.0
STARTING_S: Final = 5  # a process that has just been started has yet to load its modules
_STAGES: Final[tuple[dict[str, Any], ...]] = (
    {"stage": "legacy"},
    {"stage": "shadow", "sample": 10_000},
    {"stage": "canary", "canary": 5_000, "sample": 1_000},
    {"stage": "new", "sample": 0},
)


def events(state: Path, *names: str) -> list[dict[str, Any]]:
    """What the gateway's log holds of these kinds."""
    lines = (state / "gateway.log").read_text().splitlines()
    read = [json.loads(line) for line in lines if any(f'"{name}"' in line for name in names)]
    return [line for line in read if line["event"] in names]


def serving(state: Path) -> psutil.Process:
    """The gateway's process that was ready last."""
    return psutil.Process(events(state, "gateway_ready")[-1]["pid"])


async def flip(gateway: Running, dice: random.Random, ledger: Ledger) -> None:
    """Put one route after the other into some stage, until cancelled; this is one of all FLIPPERS."""
    due = asyncio.get_running_loop().time()
    while True:
        with suppress(OSError, asyncio.IncompleteReadError):  # the admin plane moves to the successor: connect again
            reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.admin.rpartition(":")[2]))
            try:
                while True:
                    writer.write(_flip_request(gateway, dice.choice([*ROUTES]), dice.choice(_STAGES)))
                    head, _ = await read_answer(reader)
                    ledger.counts["flips" if head.startswith(b"HTTP/1.1 200 ") else "flips refused"] += 1
                    due = max(due + FLIP_S * FLIPPERS, asyncio.get_running_loop().time())
                    await asyncio.sleep(due - asyncio.get_running_loop().time())
            finally:
                writer.close()
        await asyncio.sleep(FLIP_S)


def _flip_request(gateway: Running, route: str, stage: dict[str, Any]) -> bytes:
    body = json.dumps({**stage, "force": True, "reason": "soaked"})
    head = f"PUT /api/routes/{route}/flag HTTP/1.1\r\nhost: {gateway.admin.removeprefix('http://')}\r\n"
    head += f"authorization: Bearer {gateway.token}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()


async def restart_gateway(gateway: Running, ledger: Ledger, every_s: float, *, calm: asyncio.Lock) -> None:
    """Have the gateway succeed itself by SIGUSR2, again and again, until cancelled; meanwhile it is not calm."""
    while True:
        await asyncio.sleep(every_s)
        async with calm:
            before = len(_renewals(gateway.state))
            serving(gateway.state).send_signal(signal.SIGUSR2)
            renewed = lambda seen=before: len(_renewals(gateway.state)) > seen  # noqa: E731
            if not await asyncio.to_thread(eventually, renewed, within=START_S):
                raise RuntimeError(f"the gateway did not restart: {events(gateway.state, 'successor_failed')}")
            ledger.restarted.append(time.monotonic())
            ledger.counts["restarts of the gateway"] += 1


def _renewals(state: Path) -> list[dict[str, Any]]:
    return events(state, "gateway_ready", "workers_renewed")


async def restart_legacy(legacy: Legacy, ledger: Ledger, every_s: float) -> None:
    """Take legacy away for a moment, again and again, until cancelled."""
    while True:
        await asyncio.sleep(every_s)
        ledger.goes_out()
        try:
            await legacy.close()
            await asyncio.sleep(AWAY_S)
        finally:
            await legacy.open()
            ledger.is_back()
        ledger.counts["restarts of legacy"] += 1


@dataclass(slots=True)
class Memory:
    """What each gateway process held (PSS, bytes), second by second, from its first look on."""

    held: dict[int, list[int]] = field(default_factory=dict)

    async def watch(self, state: Path) -> None:
        """Look once a second, until cancelled; in a restart processes overlap, and each is looked at for itself."""
        while True:
            await asyncio.sleep(1)
            for process in _family(state):
                with suppress(psutil.Error):
                    if pss := process.memory_full_info().pss:  # none is left of one that ends
                        self.held.setdefault(process.pid, []).append(pss)

    @property
    def growth(self) -> int:
        """The most that one process has grown by, once it had started."""
        return max((held[-1] - held[STARTING_S] for held in self.held.values() if len(held) > STARTING_S), default=0)

    def told(self) -> list[str]:
        """A line for each process: what it held when it had started, at most, and last."""
        lines = []
        for pid, held in self.held.items():
            settled = held[min(STARTING_S, len(held) - 1)]
            mib = "{:.0f}, at most {:.0f}, at last {:.0f} MiB".format(
                *(n / 2**20 for n in (settled, max(held), held[-1]))
            )
            lines.append(f"process {pid}, seen for {len(held)} s: {mib}")
        return lines


def _family(state: Path) -> list[psutil.Process]:
    """Every gateway process that lives: those that were ready once, and their workers; not the database."""
    found: dict[int, psutil.Process] = {}
    for line in events(state, "gateway_ready"):
        with suppress(psutil.Error):
            main = psutil.Process(line["pid"])
            found |= {one.pid: one for one in (main, *main.children(recursive=True)) if "python" in one.name()}
    return [*found.values()]


def end(gateway: Running) -> None:
    """End whichever process serves by now, and bury the first."""
    for line in events(gateway.state, "gateway_ready"):
        with suppress(ProcessLookupError):
            os.kill(line["pid"], signal.SIGTERM)
    gateway.process.wait(START_S)
    if gateway.process.stdout is not None:
        gateway.process.stdout.close()
