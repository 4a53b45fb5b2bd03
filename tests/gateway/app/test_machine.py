"""How many clients the machine has room for, told before there are too many."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from httpx import TransportError

from gateway.app.machine import room_for_clients
from gateway.proxy.server import Front
from tests.gateway.backends import backend
from tests.gateway.running import CLIENT, eventually
from tests.legacy.stack import REPOSITORY
from tests.ports import free_ports

FEW = 256  # file descriptors
ASK = b"GET /who HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.mark.parametrize(
    ("descriptors", "room"),
    [(None, 20_000), (1_048_576, 20_000), (20_000, 20_000 - 2_000 - 64), (8_192, 8_192 - 2_000 - 64), (1_024, 512)],
)
def test_clients_leave_descriptors_for_the_way_to_a_side(descriptors: int | None, room: int) -> None:
    """Twice the connections, and some of its own; with few descriptors half of them."""
    assert room_for_clients(20_000, descriptors=descriptors, connections=1_000) == room


@pytest.mark.parametrize("front", ["edge", "asgi"])
def test_idle_clients_leave_others_a_way_to_legacy(front: Front, tmp_path: Path) -> None:
    """More idle clients than there are descriptors: who is let in is served, the others are told to come back."""
    data, admin = free_ports(2)
    with backend("legacy") as legacy, ExitStack() as idle:
        words = ["--legacy", legacy.url, "--front", front, "--state", str(tmp_path / "state")]
        ports = ["--listen", f"127.0.0.1:{data}", "--admin", f"127.0.0.1:{admin}"]
        gateway = subprocess.Popen(
            ["/bin/sh", "-c", f'ulimit -n {FEW}; exec "$0" -m gateway run "$@"', sys.executable, *words, *ports],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert eventually(lambda: is_up(admin), within=60)
            clients = [
                idle.enter_context(socket.create_connection(("127.0.0.1", data), 10)) for _ in range(FEW // 2 + 30)
            ]
            for client in clients[:20]:
                client.sendall(ASK)
            assert [client.recv(9_999)[9:12] for client in clients[:20]] == [b"200"] * 20
            assert b"too_many_clients" in clients[-1].recv(9_999)
        finally:
            gateway.terminate()
            assert gateway.wait(20) == 0


def is_up(admin: int) -> bool:
    """Whether a gateway is ready."""
    try:
        return CLIENT.get(f"http://127.0.0.1:{admin}/readyz").status_code == 200
    except TransportError:
        return False
