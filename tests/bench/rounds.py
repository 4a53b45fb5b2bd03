"""Measures a load: every front in turn, round by round, so that both sides of a ratio lie close in time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from tests.bench import wrk
from tests.bench.fronts import Front
from tests.bench.loads import DIRECT, Load
from tests.bench.process import FRONT_CORE, LOAD_CORE

TOO_MUCH_STOLEN: Final = 0.04  # of a core, by the machine's other tenants
TOO_MUCH_SHARED: Final = 0.10  # of the front's core, by other programs
ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Slice:
    """A front under a load for some seconds; without any answer its figures are zero.

    `wrong` counts answers that are no good and connections that broke, `core` is how busy the front's core was,
    `shared` the part of it that other programs had.
    """

    per_s: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    wrong: int
    core: float
    stolen: float
    shared: float

    @property
    def undisturbed(self) -> bool:
        """Whether the cores were ours."""
        return self.stolen < TOO_MUCH_STOLEN and self.shared < TOO_MUCH_SHARED


@dataclass(slots=True)
class Measured:
    """The slices of one front under one load, and its memory after the last."""

    load: Load
    front: str
    slices: list[Slice] = field(default_factory=list)
    memory_mb: tuple[float, float] = (0.0, 0.0)


def measure(load: Load, fronts: Sequence[Front], *, rounds: int, seconds: int, fresh: Set[str]) -> list[Measured]:
    """Warm the fronts (longer when they are fresh), then take the rounds, every other one backwards."""
    measured = {front.name: Measured(load, front.name) for front in fronts}
    for front in fronts:
        if front.name in fresh or front.warm_s > 1:
            wrk.run(load, front.port, seconds=front.warm_s if front.name in fresh else 1)
    for number in range(rounds):
        for front in fronts if number % 2 == 0 else reversed(fronts):
            taken = _slice(load, front, seconds)
            measured[front.name].slices.append(taken)
            _tell(load, front, number, taken)
    for front in fronts:
        measured[front.name].memory_mb = front.child.memory_mb()
    return list(measured.values())


def _slice(load: Load, front: Front, seconds: int) -> Slice:
    """Take a slice, and take it again when others had too much of the cores."""
    for _ in range(ATTEMPTS):
        cpu_before = front.child.cpu_s()
        with _placed(load, front), _cores() as cores:
            told = wrk.run(load, front.port, seconds=max(seconds, load.at_least_s))
        cpu_s = front.child.cpu_s() - cpu_before
        taken = Slice(
            per_s=max(told.answers - told.bad, 0) / max(told.seconds, 0.001),
            cpu_us=cpu_s * 1e6 / told.answers if told.answers else 0.0,
            p50_ms=told.p50_ms,
            p99_ms=told.p99_ms,
            wrong=told.bad + told.broken,
            core=cores.busy,
            stolen=cores.stolen,
            shared=max(cores.worked_s - cpu_s, 0.0) / max(told.seconds, 0.001),
        )
        if taken.undisturbed:
            break
    return taken


@contextmanager
def _placed(load: Load, front: Front) -> Iterator[None]:
    """Keep the front on the load's core where the load says so, and bring it back to its own."""
    if not load.one_core or front.name == DIRECT:
        yield
        return
    _move(front, LOAD_CORE)
    try:
        yield
    finally:
        _move(front, FRONT_CORE)


def _move(front: Front, core: int) -> None:
    for process in front.child.family():
        with suppress(psutil.NoSuchProcess):
            for thread in process.threads():
                os.sched_setaffinity(thread.id, {core})


@dataclass(slots=True)
class _Cores:
    """How busy the front's core was, the seconds it ran programs, and how much of either core was taken from us."""

    busy: float = 0.0
    worked_s: float = 0.0
    stolen: float = 0.0


@contextmanager
def _cores() -> Iterator[_Cores]:
    seen = _Cores()
    before = {core: _ticks(core) for core in (FRONT_CORE, LOAD_CORE)}
    yield seen
    for core, first in before.items():
        spent = [now - then for now, then in zip(_ticks(core), first, strict=True)]
        total = max(sum(spent), 1)
        seen.stolen = max(seen.stolen, spent[7] / total)
        if core == FRONT_CORE:
            seen.busy = 1 - (spent[3] + spent[4]) / total
            seen.worked_s = sum(spent[:3]) / os.sysconf("SC_CLK_TCK")


def _ticks(core: int) -> list[int]:
    """user nice system idle iowait irq softirq steal (proc_stat(5))."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            return [int(field) for field in line.split()[1:9]]
    raise RuntimeError(f"this machine has no core {core}")


def _tell(load: Load, front: Front, number: int, taken: Slice) -> None:
    print(
        f"{load.name} round {number + 1}  {front.name:14} {taken.per_s:9,.0f}/s"
        f"  {taken.cpu_us:8.1f} us CPU  p50 {taken.p50_ms:.2f} ms  core {taken.core:.0%}"
        f"  stolen {taken.stolen:.0%}  shared {taken.shared:.0%}  wrong {taken.wrong}",
        file=sys.stderr,
        flush=True,
    )
