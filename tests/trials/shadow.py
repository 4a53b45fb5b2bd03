"""What shadowing costs clients: `python -m tests.trials.shadow`, with every way a new side can misbehave.

A real gateway before a real legacy; rounds with every read compared and with none take turns in one run, because
nothing else can be told apart from the machine's own noise. It prints, per misbehaviour, whether p99 stayed within
5 %, the gateway's processor time for one request, and what became of the copies. The exit code is 1 when a client had a
wrong answer or memory grew beyond its bounds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import uvloop
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.gateway.running import CLIENT, Running, eventually, start_gateway
from tests.legacy.stack import REPOSITORY
from tests.ports import free_ports
from tests.trials.pace import Clients
from tests.trials.shadow_verdict import Moved, Round, Seen, moved, p99_line, p99_moved, verdicts
from tests.trials.sides import Mode, document

ROUTE: Final = "things.get"
WARM_S: Final = 2.0
SETTLE_S: Final = 120.0  # at most, until copies that wait are worked off: a round without any must be one


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a run."""

    seconds: float
    rounds: int
    rate: float
    connections: int
    legacy_ms: float


@contextmanager
def side(mode: Mode, delay_ms: float) -> Iterator[str]:
    """A side in a process of its own, and its URL."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "tests.trials.sides", str(port), mode, str(delay_ms)]
    process = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@contextmanager
def gateway(folder: Path, legacy: str, new: str) -> Iterator[Running]:
    """A gateway before both, with one route in stage shadow."""
    contract = folder / "contracts" / ROUTE
    contract.mkdir(parents=True)
    (contract / "route.yaml").write_text("route: GET /things/{id}\neffect: read\nstickiness: header:x-caller\n")
    options = "--legacy", legacy, "--new", new, "--contracts", str(folder / "contracts")
    running = start_gateway(*options, state=folder / "state")
    try:
        yield running
    finally:
        running.stop()


async def trial(mode: Mode, wanted: Wanted) -> Seen:
    """One misbehaviour: rounds with and without, in turn."""
    with (
        tempfile.TemporaryDirectory() as folder,
        side(Mode.WELL, wanted.legacy_ms) as legacy,
        side(mode, wanted.legacy_ms) as new,
        gateway(Path(folder), legacy, new) as running,
    ):
        port = int(running.data.rpartition(":")[2])
        clients = Clients(port, wanted.connections, expected=document(Mode.WELL))
        eventually(lambda: _answers(running))
        await clients.open()
        await _round(running, clients, wanted, sample=10_000, seconds=WARM_S)
        before, most = _held_bytes(running), 0
        off, on = [], []
        for _ in range(wanted.rounds):
            off.append(await _round(running, clients, wanted, sample=0, seconds=wanted.seconds))
            on.append(await _round(running, clients, wanted, sample=10_000, seconds=wanted.seconds))
            most = max(most, _held_bytes(running))
        return Seen(off, on, (most - before) / 1e6, clients.wrong, _counted(running))


async def _round(running: Running, clients: Clients, wanted: Wanted, *, sample: int, seconds: float) -> Round:
    answer = await asyncio.to_thread(running.flip, ROUTE, "shadow", sample=sample)
    assert answer.status_code == 200, answer.text
    await asyncio.to_thread(eventually, lambda: not _waiting(running), within=SETTLE_S)
    before = _processor_s(running)
    took = await clients.run("/things/7", seconds=seconds, rate=wanted.rate)
    return Round(took, (_processor_s(running) - before) / len(took) * 1000)


def _processor_s(running: Running) -> float:
    """Seconds that the gateway has computed, its threads included and the process that compares not."""
    used = psutil.Process(running.process.pid).cpu_times()
    return used.user + used.system


def _held_bytes(running: Running) -> int:
    """What the gateway holds in memory, with the process that compares."""
    gateway = psutil.Process(running.process.pid)
    comparers = [one for one in gateway.children() if "gateway.shadow.comparer" in one.cmdline()]
    return sum(one.memory_info().rss for one in (gateway, *comparers))


def _answers(running: Running) -> bool:
    return running.get("/things/7").status_code == 200


def _waiting(running: Running) -> int:
    """How many copies wait."""
    return sum(int(sample.value) for sample in _samples(running) if sample.name == "strangler_mirror_jobs")


def _counted(running: Running) -> Counter[str]:
    """What became of copies, by its word."""
    found: Counter[str] = Counter()
    for sample in _samples(running):
        if sample.name.startswith("strangler_shadow_") and sample.name.endswith("_total"):
            word = sample.labels.get("cause") or sample.labels.get("outcome") or "offered"
            name = sample.name.removeprefix("strangler_shadow_").removesuffix("_total")
            found[f"{name}:{word}"] += int(sample.value)
    return found


def _samples(running: Running) -> Iterator[Sample]:
    for family in text_string_to_metric_families(CLIENT.get(f"{running.admin}/metrics").text):
        yield from family.samples


def show(mode: Mode, seen: Seen) -> None:
    """A few lines on one misbehaviour."""
    off_ms, on_ms = (statistics.median(one.processor for one in rounds) for rounds in (seen.off, seen.on))
    print(f"{mode}")
    print(f"  {p99_line(seen)}")
    print(f"  p50 {moved(seen, 0.5)}; processor {off_ms:.2f} -> {on_ms:.2f} ms a request")
    for verdict in verdicts(seen):
        print(f"  {verdict}")
    counted = ", ".join(f"{name} {number}" for name, number in sorted(seen.counted.items()))
    print(f"  {counted}", flush=True)


def conclude(found: Mapping[Mode, Seen]) -> int:
    """Sum it all up; 0 when all that must hold did."""
    failed = sum(not verdict.held for seen in found.values() for verdict in verdicts(seen))
    for answer in Moved:
        modes = [mode for mode, seen in found.items() if p99_moved(seen) is answer]
        if modes:
            print(f"shadow: p99 {answer}: {', '.join(modes)}")
    print(f"shadow: {failed} not as wanted" if failed else "shadow: all as wanted")
    return 1 if failed else 0


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.trials.shadow", description=__doc__)
    parser.add_argument("--modes", nargs="+", type=Mode, default=list(Mode), help="how the new side behaves")
    parser.add_argument("--seconds", type=float, default=5.0, help="of one round")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of rounds for each way to behave")
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--legacy-ms", type=float, default=5.0, help="milliseconds that a side takes to answer")
    given = parser.parse_args()
    wanted = Wanted(given.seconds, given.rounds, given.rate, given.connections, given.legacy_ms)
    print(f"{wanted}; without copies -> with a copy of every request", flush=True)
    found = {}
    for mode in given.modes:
        found[mode] = uvloop.run(trial(mode, wanted))
        show(mode, found[mode])
    sys.exit(conclude(found))


if __name__ == "__main__":
    main()
