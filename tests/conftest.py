"""Fixtures every test may use."""

import signal
import socket

import pytest

# A shell that runs a command in the background has it ignore Ctrl-C, and children would inherit that: `make test`
# runs parts so, and demos that a test starts must hear a SIGINT as they do at a terminal.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def free_port() -> int:
    """A port of the loopback on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
