"""One upstream, the fronts before it, their loads: started, checked, measured, stopped."""

from __future__ import annotations

import resource
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import fronts, growth, ours, upstream
from tests.bench.fronts import Front
from tests.bench.growth import Growth
from tests.bench.loads import DIRECT, OURS, Load
from tests.bench.ours import KINDS, Gateway
from tests.bench.probe import Findings as Probed
from tests.bench.probe import probe
from tests.bench.process import Children, NotStarted
from tests.bench.rounds import Measured, measure
from tests.bench.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Shape:
    """Which fronts take part, in how many rounds of how many seconds; `folder` is emptied for each session."""

    fronts: tuple[str, ...]
    rounds: int
    seconds: int
    folder: Path


@dataclass(slots=True)
class Findings:
    """The figures, and sentences on what was left out or is worth knowing."""

    measured: list[Measured] = field(default_factory=list)
    growth: list[Growth] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


class Session:
    """The fronts before one upstream; leaving it stops them."""

    def __init__(self, loads: Sequence[Load], shape: Shape, findings: Findings) -> None:
        self._loads = loads
        self._shape = shape
        self._findings = findings
        self._parts = ExitStack()
        self._running: list[Front] = []
        self._compared: Gateway | None = None

    def __enter__(self) -> Session:
        _lift_file_limit()
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def start(self) -> None:
        """Start the upstream and every front; who does not really proxy is left out, with a sentence."""
        folder = self._parts.enter_context(_emptied(self._shape.folder))
        children = self._parts.enter_context(Children(folder))
        behind = upstream.start(self._loads[0].upstream, children, mark=secrets.token_hex(8), folder=folder)
        for name in self._shape.fronts:
            loads = [load for load in self._loads if name in load.fronts]
            if not loads:
                continue
            try:
                front = self._front(name, children, behind, folder)
            except (NotStarted, OSError) as error:
                self._findings.told.append(f"{name} is left out: {error}")
            else:
                self._admit(front, behind, loads, children)
        if any(DIRECT in load.fronts for load in self._loads):
            self._running.append(Front(DIRECT, behind.child, behind.port, warm_s=1))

    def measure(self) -> None:
        """Take every load in turn; the gigabytes first, because a front that has worked has room for them."""
        if self._loads[0].upstream == "streams":
            self._measure_growth()
        seen: set[str] = set()
        for load in self._loads:
            present = [front for front in self._running if front.name in load.fronts]
            fresh = {front.name for front in present} - seen
            seen |= fresh
            self._findings.measured += measure(
                load, present, rounds=self._shape.rounds, seconds=self._shape.seconds, fresh=fresh
            )
        if self._compared is not None and any(load.name == "shadow" for load in self._loads):
            self._findings.told.append(_verdicts(self._compared))

    def _front(self, name: str, children: Children, behind: Upstream, folder: Path) -> Front:
        if name not in KINDS:
            return fronts.start(name, children, upstream=behind.port, mark=behind.mark, folder=folder)
        gateway = ours.start(name, children, behind, folder=folder)
        if name == "strangler":
            self._compared = gateway
        return gateway.front

    def _measure_growth(self) -> None:
        for front in (one for one in self._running if one.name in OURS):
            try:
                self._findings.growth.append(growth.measure(front))
            except OSError as error:
                self._findings.told.append(f"{front.name} does not take the four gigabytes: {error}")

    def _admit(self, front: Front, behind: Upstream, loads: Sequence[Load], children: Children) -> None:
        found = Probed((), ()) if front.name in fronts.ALONE else probe(front.port, behind, loads)
        if found.faults:
            children.stop(front.child)
            self._findings.told.append(f"{front.name} is left out, it does not proxy: {'; '.join(found.faults)}")
            return
        self._findings.told += [f"{front.name} {note}" for note in found.notes]
        self._running.append(front)


def _verdicts(gateway: Gateway) -> str:
    stored = ", ".join(f"{count:,} {outcome}" for outcome, count in gateway.verdicts("shadow.get").items())
    return f"shadow: {stored or 'nothing'} is what was compared and stored; the other copies were dropped"


@contextmanager
def _emptied(folder: Path) -> Iterator[Path]:
    """A folder for this session's files; the logs stay until the next one."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)


def _lift_file_limit() -> None:
    """A thousand connections need two thousand files in a proxy; children inherit the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
