"""Fixtures every test may use."""

import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from tests.ports import free_ports

# A shell that runs a command in the background has it ignore Ctrl-C, and children would inherit that: demos that a
# test starts must hear a SIGINT as they do at a terminal, however the tests were started.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Give this run temporary folders of its own.

    At each start pytest takes everybody else's right to enter the folder that all runs of a user share; a PostgreSQL
    that another run has just started under an account of its own would lose its files.
    """
    if config.option.basetemp is None:
        root = Path(tempfile.mkdtemp(prefix="strangler-pytest-"))
        config.option.basetemp = root / "run"
        config.add_cleanup(lambda: shutil.rmtree(root, ignore_errors=True))


@pytest.fixture
def free_port() -> int:
    """A port of the loopback on which nobody listens, nor will unless the test tells somebody to."""
    return free_ports(1)[0]
