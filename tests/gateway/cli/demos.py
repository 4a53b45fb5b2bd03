"""Demos in child processes, for the tests of the demo and of what talks to a real gateway."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from tests.gateway.cli.program import ROOT, clean_environment
from tests.ports import free_ports

ANY = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--legacy-port", "0")


def until(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What the condition gives once it is true, or its last word when it never was."""
    deadline = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def get(url: str, target: str, **headers: str) -> tuple[int, bytes] | None:
    """Ask once; None when nobody answered."""
    parts = urlsplit(url)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=5)
    try:
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError:
        return None
    finally:
        connection.close()


@dataclass
class Demo:
    """A demo that runs in a child process."""

    process: subprocess.Popen[str]
    state: Path

    @property
    def notes(self) -> dict[str, Any]:
        """What demo.json says."""
        found = json.loads((self.state / "demo.json").read_text())
        assert isinstance(found, dict)
        return found

    @property
    def out(self) -> str:
        """What programs read."""
        return self.state.with_suffix(".out").read_text()

    def said(self) -> str:
        """Everything on both outputs so far."""
        return self.out + self.state.with_suffix(".err").read_text()

    def child(self, word: str) -> psutil.Process:
        """The child whose command has this word."""
        [found] = [one for one in psutil.Process(self.process.pid).children() if word in " ".join(one.cmdline())]
        return found

    def answers(self, target: str = "/api/lots") -> bool:
        """Whether the gateway serves this target."""
        answer = get(self.notes["gateway_url"], target)
        return answer is not None and answer[0] == 200

    def ends(self, *signals: signal.Signals) -> int:
        """Send the signals; the exit code."""
        for number in signals:
            self.process.send_signal(number)
        return self.process.wait(30)


def launch(state: Path, *words: str) -> Demo:
    """Start a demo; it may not be ready."""
    with state.with_suffix(".out").open("w") as out, state.with_suffix(".err").open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "demo", "--state", str(state), *_anywhere(), *words],
            cwd=ROOT,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            text=True,
        )
    return Demo(process, state)


def _anywhere() -> list[str]:
    """Ports that stay the demo's: between choosing one and listening on it lies the start of a PostgreSQL."""
    data, admin, legacy = free_ports(3)
    return ["--listen", f"127.0.0.1:{data}", "--admin", f"127.0.0.1:{admin}", "--legacy-port", str(legacy)]


def insist_on_ready(demo: Demo) -> None:
    """Wait until the demo has said that it runs; one that ended is no use."""
    assert until(lambda: demo.out or demo.process.poll() is not None, 90), demo.said()
    assert demo.process.poll() is None, demo.said()
