"""What the command line's tests share: the program in this process, and one demo that runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from gateway.cli import main
from tests.gateway.cli.demos import Demo, insist_on_ready, launch, until
from tests.gateway.cli.program import Ran, processes_of


class Strangler(Protocol):
    """Runs `strangler` with these words."""

    def __call__(self, *words: str, env: Mapping[str, str] | None = None) -> Ran: ...


@pytest.fixture
def strangler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Strangler:
    """The command line in an empty folder, in this process: starting Python costs more than most commands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in os.environ:
        if name.startswith(("STRANGLER_", "SERVICES_")):
            monkeypatch.delenv(name)

    def run(*words: str, env: Mapping[str, str] | None = None) -> Ran:
        with monkeypatch.context() as changed:
            for name, value in (env or {}).items():
                changed.setenv(name, value)
            capsys.readouterr()
            code = main(words)
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A state folder that outlives the demos that use it."""
    folder = tmp_path_factory.mktemp("demo") / "state"
    yield folder
    for process in processes_of(folder):  # only what a failed test has left
        process.kill()


@pytest.fixture(scope="session")
def running(state: Path) -> Iterator[Demo]:
    """One demo for all tests that do not stop it."""
    demo = launch(state, "--traffic", "5")
    insist_on_ready(demo)
    yield demo
    demo.ends(signal.SIGINT)


@pytest.fixture
def demo(running: Demo) -> Demo:
    """The demo, whole again whatever the test before has done to it."""
    assert until(running.answers), running.said()
    return running
