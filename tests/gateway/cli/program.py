"""The command line as a child process, and what it may leave behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Ran:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without anything that would configure a gateway."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STRANGLER_", "SERVICES_"))}
    return {**kept, "PYTHONWARNINGS": "error", "COLUMNS": "80", **(more or {})}


def run_in(folder: Path, words: Sequence[str], env: Mapping[str, str] | None = None) -> Ran:
    """Run `python -m gateway` in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        cwd=folder,
        env=clean_environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def processes_of(folder: Path) -> list[psutil.Process]:
    """Living processes whose command or environment names the folder, but for the test itself."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # gone meanwhile, a zombie, or not ours to look at
            words = [*process.cmdline(), *process.environ().values()]
            if process.pid != os.getpid() and any(str(folder) in word for word in words):
                found.append(process)
    return found
