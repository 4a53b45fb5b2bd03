"""Processes of a run: pinned to a core, counted with all their children, stopped at the end. It knows no proxy."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

import psutil

FRONT_CORE: Final = 0
LOAD_CORE: Final = 1
STOP_S: Final = 15


class NotStarted(Exception):  # noqa: N818 - it says what happened
    """A process ended, or did not listen in time; the text names its log."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and what it must find in its environment."""

    argv: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Child:
    """A process we started; `daemons` finds what it started that is no descendant of it any more."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    daemons: Callable[[], list[psutil.Process]] = list

    def family(self) -> list[psutil.Process]:
        """The process, its descendants, its daemons and theirs."""
        found: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            for one in [psutil.Process(self.process.pid), *self.daemons()]:
                found += [one, *one.children(recursive=True)]
        return found

    def cpu_s(self) -> float:
        """CPU seconds used so far."""
        used = 0.0
        for one in self.family():
            with suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                used += times.user + times.system
        return used

    def memory_mb(self) -> tuple[float, float]:
        """Memory held now (PSS, MiB): by the whole family, and by its largest process."""
        held = [0.0]
        for one in self.family():
            with suppress(psutil.NoSuchProcess):
                held.append(one.memory_full_info().pss / 2**20)
        return sum(held), max(held)

    def wait_for(self, port: int, *, within_s: float = 30) -> None:
        """Wait until it listens; NotStarted when it ends or takes too long."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise NotStarted(f"{self.name} ended with {self.process.returncode}, see {self.log}")
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.3):
                return
            time.sleep(0.05)
        raise NotStarted(f"{self.name} does not listen after {within_s:g} s, see {self.log}")


class Children:
    """Starts processes and stops every one of them on leaving, whatever the reason."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[Child] = []

    def __enter__(self) -> Children:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for child in reversed(self._running):
            self._stop(child)

    def start(self, name: str, command: Command, *, core: int) -> Child:
        """Start a program on one core; it dies with us even when we are killed."""
        log = self._logs / f"{name}.log"
        tied = ["setpriv", "--pdeathsig", "TERM", "taskset", "--cpu-list", str(core), *command.argv]
        with log.open("wb") as output:
            process = subprocess.Popen(
                tied,
                env={**os.environ, **command.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us alone
            )
        child = Child(name, process, log)
        self._running.append(child)
        return child

    def stop(self, child: Child) -> None:
        """Stop one early."""
        self._running.remove(child)
        self._stop(child)

    def _stop(self, child: Child) -> None:
        family = child.family()
        with suppress(ProcessLookupError):
            child.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(STOP_S)
        for one in family:  # what did not end with it
            with suppress(psutil.NoSuchProcess):
                one.kill()
        child.process.wait()


def free_port() -> int:
    """A port of the loopback on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
