"""`run` from the shell: it starts, it stops, and what keeps it from starting is a sentence."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.gateway.cli.conftest import Strangler
from tests.gateway.cli.demos import get, until
from tests.gateway.cli.program import clean_environment, processes_of, run_in
from tests.ports import free_ports

LEGACY = ("--legacy", "http://127.0.0.1:1")


@pytest.mark.parametrize("option", ["--listen", "--admin"])
def test_busy_port_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    """A port that is taken ends the start with 2, before anything else is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        free = {"--listen": "127.0.0.1:0", "--admin": "127.0.0.1:0", option: f"127.0.0.1:{port}"}
        ran = run_in(tmp_path, ["run", *LEGACY, *(word for pair in free.items() for word in pair)])
    assert ran.code == 2
    assert option in ran.err
    assert str(port) in ran.err
    assert list(tmp_path.iterdir()) == []


def test_broken_contracts_keep_it_from_starting(strangler: Strangler, tmp_path: Path) -> None:
    """Every problem of the contracts is told with its file."""
    (tmp_path / "contracts" / "a.b").mkdir(parents=True)
    ran = strangler("run", *LEGACY, "--json")
    assert ran.code == 2
    assert "contracts/a.b" in ran.json["error"]["problems"][0]


def test_new_side_that_cannot_be_loaded_keeps_it_from_starting(strangler: Strangler) -> None:
    """A module that is not there is told by its name."""
    ran = strangler("run", *LEGACY, "--new", "no_such_module:build", "--listen", "127.0.0.1:0")
    assert ran.code == 2
    assert "no_such_module" in ran.err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_gateway_whose_standard_streams_are_closed_serves_all_the_same(tmp_path: Path, workers: str) -> None:
    """`<&- >&- 2>&-`, as old daemons start: no socket gets the numbers that are written to, and it ends with 0."""
    listen, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
    words = ["run", *LEGACY, "--listen", listen, "--admin", admin, "--access-log", "1", "--workers", workers]
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'exec "$0" -m gateway "$@" <&- >&- 2>&-', sys.executable, *words],
        cwd=tmp_path,
        env=clean_environment(),
    )
    try:
        assert until(lambda: get(f"http://{admin}", "/readyz"), 60)
        streams = [os.readlink(f"/proc/{process.pid}/fd/{handle}") for handle in range(3)]
        answer = get(f"http://{listen}", "/api/lots")
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=30)
    assert streams == [os.devnull] * 3
    assert answer is not None
    assert answer[0] == 502
    assert code == 0


def is_logged(line: str) -> bool:
    """Whether a line is the log's."""
    return line.startswith("{")


def test_gateway_starts_with_legacy_alone_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    """One option is enough: it brings its own database, serves both planes and leaves no process behind."""
    listen, admin = (f"127.0.0.1:{port}" for port in free_ports(2))
    words = ["run", *LEGACY, "--listen", listen, "--admin", admin, "--json"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *words],
            cwd=tmp_path,
            env={**clean_environment(), "STRANGLER_SHADOW_QUEU": "7"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert until(lambda: get(f"http://{admin}", "/readyz"), 60), (tmp_path / "log").read_text()
        lines = (tmp_path / "log").read_text().splitlines()  # the first token is told beside them, sooner or later
        told = [line for line in map(json.loads, filter(is_logged, lines)) if line["event"] == "unknown_variable"]
        assert [(line["name"], line["nearest"]) for line in told] == [
            ("STRANGLER_SHADOW_QUEU", "STRANGLER_SHADOW_QUEUE")
        ], "a typing mistake is told, and nothing else is taken for one"
        answer = get(f"http://{listen}", "/api/lots")
        assert answer is not None
        assert answer[0] == 502
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(out) == {"exit_code": 0}
    assert processes_of(tmp_path) == []


def test_first_token_is_shown_once(tmp_path: Path, free_port: int) -> None:
    """Without --json a new gateway shows its first admin token on standard output, and the token works."""
    admin = f"127.0.0.1:{free_port}"
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "run", *LEGACY, "--listen", "127.0.0.1:0", "--admin", admin],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        secret = process.stdout.readline().split()[-1]
        assert until(lambda: get(f"http://{admin}", "/readyz"), 60)
        connection = HTTPConnection(admin, timeout=5)
        connection.request("GET", "/api/routes", headers={"authorization": f"Bearer {secret}"})
        assert connection.getresponse().status == 200
        connection.close()
    finally:
        process.terminate()
        process.communicate(timeout=30)
    assert processes_of(tmp_path) == []
