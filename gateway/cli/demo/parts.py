"""One child process of the demo: how it is started, whether it lives, how it is stopped.

A child has its own session, so that Ctrl-C reaches the demo alone, and dies with the demo (Linux).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Part(Protocol):
    """Something the demo keeps alive: a child process, or the database."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def start(self) -> str | None:
        """Start it; a sentence when that failed."""
        ...

    def is_alive(self) -> bool:
        """Whether it has not ended."""
        ...

    def is_ready(self) -> bool:
        """Whether it answers."""
        ...

    def last_words(self) -> str:
        """How it ended."""
        ...

    def ask_to_stop(self) -> None:
        """Begin to stop it; returns at once."""
        ...

    def kill(self) -> None:
        """End it now, with everything it started."""
        ...


@dataclass(frozen=True, slots=True)
class Program:
    """What a child process is: its command, what it is told, where its output goes, when it is ready."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    answers: Callable[[], bool]


class Child:
    """A program that runs, or has run."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self._process: subprocess.Popen[bytes] | None = None
        program.log.write_bytes(b"")

    @property
    def name(self) -> str:
        """The program's name."""
        return self.program.name

    def start(self) -> str | None:
        """Start the program in a session of its own, its output appended to its log."""
        if not os.access(self.program.command[0], os.X_OK):
            return f"{self.program.command[0]} is no program"
        with self.program.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(  # noqa: S603  # commands are made by the demo itself
                    _tied(self.program.command),
                    env=dict(self.program.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                return f"{self.program.command[0]} cannot be started: {error.strerror}"
        return None

    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        """Whether the program answers."""
        return self.program.answers()

    def last_words(self) -> str:
        """How the process ended."""
        code = None if self._process is None else self._process.poll()
        if code is None:
            return "has not ended"
        return f"ended with exit code {code}" if code >= 0 else f"was killed by {_signal_name(-code)}"

    def log_tail(self, lines: int = 8) -> str:
        """The end of the log, for somebody who has to find out why."""
        return "\n".join(self.program.log.read_text(errors="replace").splitlines()[-lines:])

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the program."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL to the program's session and take its exit status."""
        if self._process is None:
            return
        with suppress(ProcessLookupError, PermissionError):  # nobody is left, or (macOS) only a zombie
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has no name
        return f"signal {number}"


def _tied(command: tuple[str, ...]) -> list[str]:
    """The command as a process that ends when the demo ends, however that happens."""
    if sys.platform != "linux":
        return list(command)
    # -I and -S: neither the environment nor site-packages may slow or change the few lines before the program
    return [sys.executable, "-I", "-S", str(Path(__file__).with_name("tied.py")), str(os.getpid()), *command]
