"""A running gateway is renewed: restarted under load, reloaded, given its sockets by a service manager."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.gateway.backends import Sides, backend, put_on_new, sides, write_route
from tests.gateway.load import load
from tests.gateway.running import CLIENT, Running, eventually, start_gateway
from tests.legacy.stack import REPOSITORY
from tests.ports import free_ports


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Sides]:
    """Legacy, new, and a contract."""
    with sides(tmp_path) as served:
        yield served


@pytest.fixture
def gateway(both: Sides, tmp_path: Path) -> Iterator[Running]:
    """A gateway of one process; successors are ended with it."""
    running = start_gateway(*both.options, state=tmp_path / "state")
    yield running
    end_all(running)


def events(gateway: Running, name: str = "") -> list[dict[str, Any]]:
    """What the log holds, of one kind."""
    text = (gateway.state / "gateway.log").read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if name in ("", line["event"])]


def serving(gateway: Running) -> psutil.Process:
    """The process that was ready last."""
    return psutil.Process(events(gateway, "gateway_ready")[-1]["pid"])


def end_all(gateway: Running) -> None:
    """End whichever process serves by now, and bury the first."""
    for line in events(gateway, "gateway_ready"):
        if psutil.pid_exists(line["pid"]):
            os.kill(line["pid"], signal.SIGTERM)
    gateway.process.wait(20)
    assert gateway.process.stdout is not None
    gateway.process.stdout.close()
    assert eventually(lambda: not any(psutil.pid_exists(line["pid"]) for line in events(gateway, "gateway_ready")))


def port(gateway: Running) -> int:
    """The data plane's."""
    return int(gateway.data.rpartition(":")[2])


async def test_ten_restarts_under_load_fail_no_request(gateway: Running) -> None:
    """Clients with kept connections ask on and on while ten successors take over; each request is answered."""
    async with load(port(gateway), clients=16) as asked:
        for restarts in range(1, 11):
            await asyncio.to_thread(serving(gateway).send_signal, signal.SIGUSR2)
            done = lambda wanted=restarts + 1: len(events(gateway, "gateway_ready")) >= wanted  # noqa: E731
            assert await asyncio.to_thread(eventually, done, within=30), events(gateway)[-5:]
            before = asked.answered
            assert await asyncio.to_thread(eventually, lambda seen=before: asked.answered > seen + 50)
    assert asked.failed == []
    assert asked.lost == 0
    assert set(asked.answers) == {b"legacy"}
    assert events(gateway, "successor_failed") == []
    assert gateway.process.poll() == 0


def test_a_successor_that_cannot_start_leaves_everything_as_it_was(gateway: Running, both: Sides) -> None:
    """Contracts that are broken at a restart keep the old process in service, and the log says why."""
    (both.contracts / "who" / "route.yaml").write_text("route: nonsense\n")
    pid = serving(gateway).pid
    os.kill(pid, signal.SIGUSR2)
    assert eventually(lambda: events(gateway, "successor_failed"), within=20)
    assert serving(gateway).pid == pid
    assert gateway.get("/who").text == "legacy"
    assert gateway.ready()["ready"] is True


def test_a_successor_keeps_flags_and_database(gateway: Running) -> None:
    """What was flipped before a restart is in force after it, and the embedded database goes on."""
    put_on_new(gateway)
    server = (gateway.state / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0]
    serving(gateway).send_signal(signal.SIGUSR2)
    assert gateway.process.wait(30) == 0
    assert gateway.get("/who").text == "new"
    assert gateway.flip("who", "legacy").status_code == 200
    assert gateway.get("/who").text == "legacy"
    assert (gateway.state / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0] == server


def test_contracts_are_reloaded_and_broken_ones_change_nothing(gateway: Running, both: Sides) -> None:
    """After SIGHUP a new route is known; one that is broken is told by /readyz and the log, and mended it is known."""
    write_route(both.contracts, "other", "GET /other")
    gateway.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: gateway.ready()["routes"] == 2)
    (both.contracts / "other" / "route.yaml").write_text("route: GET /other\neffect: nonsense\n")
    gateway.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: gateway.ready()["not_reloaded"] != [])
    assert gateway.ready()["not_reloaded"][0].startswith("contracts: ")
    assert gateway.ready()["routes"] == 2
    assert "contracts/other/route.yaml:1: " in events(gateway, "contracts_refused")[-1]["problems"][0]
    write_route(both.contracts, "other", "GET /another")
    gateway.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: gateway.ready()["not_reloaded"] == [])


def test_settings_are_reloaded(both: Sides, tmp_path: Path) -> None:
    """After SIGHUP legacy is where the file says by then; what needs a start and what is broken is told."""
    file = tmp_path / "strangler.yaml"
    file.write_text(f"legacy: {both.legacy.url}\n")
    with backend("moved") as moved:
        running = start_gateway(state=tmp_path / "state", cwd=tmp_path)
        try:
            with socket.create_connection(("127.0.0.1", port(running))) as kept:
                assert ask_on(kept).endswith(b"legacy")
                file.write_text(f"legacy: {moved.url}\nadmin_hosts: gateway.test\n")
                running.process.send_signal(signal.SIGHUP)
                assert eventually(lambda: running.get("/who").text == "moved")
                assert ask_on(kept).endswith(b"moved")
            assert eventually(lambda: running.ready()["not_reloaded"] != [])
            assert running.ready()["not_reloaded"] == ["settings: admin_hosts need a new start (SIGUSR2)"]
            file.write_text("legacy: nonsense\n")
            running.process.send_signal(signal.SIGHUP)
            assert eventually(lambda: running.ready()["not_reloaded"] == ["settings: 1 problem"])
            assert running.get("/who").text == "moved"
        finally:
            end_all(running)


def test_a_reload_leaves_legacy_to_a_request_that_has_not_asked_it_yet(tmp_path: Path) -> None:
    """The new side fails after the reload: legacy answers in its place, by the connections the request began with."""
    with sides(tmp_path) as both:
        contract = both.contracts / "who" / "route.yaml"
        contract.write_text(contract.read_text() + "rescue: on\n")
        file = tmp_path / "strangler.yaml"
        file.write_text(f"legacy: {both.legacy.url}\n")
        options = ("--new", "tests.gateway.apps:fails_late", "--contracts", str(both.contracts))
        running = start_gateway(*options, state=tmp_path / "state", cwd=tmp_path)
        try:
            assert running.flip("who", "new").status_code == 200
            with socket.create_connection(("127.0.0.1", port(running))) as client:
                client.settimeout(10)
                client.sendall(b"GET /who HTTP/1.1\r\nHost: shop.test\r\n\r\n")
                file.write_text(f"legacy: {both.legacy.url}\ndrain_s: 7\n")
                running.process.send_signal(signal.SIGHUP)
                assert eventually(lambda: events(running, "settings_reloaded") != [])
                assert client.recv(65536).endswith(b"legacy")
        finally:
            end_all(running)


def test_a_proxy_that_is_trusted_no_more_is_not_believed_on_its_connections_either(both: Sides, tmp_path: Path) -> None:
    """A reload holds for connections that are kept, which a proxy's are for hours."""
    file, lines = tmp_path / "strangler.yaml", tmp_path / "access.log"
    file.write_text(f"legacy: {both.legacy.url}\ntrusted_proxies: 127.0.0.1\n")
    options = ("--access-log", "1", "--access-log-file", str(lines))
    running = start_gateway(*options, state=tmp_path / "state", cwd=tmp_path)
    try:
        with socket.create_connection(("127.0.0.1", port(running))) as kept:
            ask_on(kept, b"X-Forwarded-For: 203.0.113.9\r\n")
            file.write_text(f"legacy: {both.legacy.url}\n")
            running.process.send_signal(signal.SIGHUP)
            assert eventually(lambda: events(running, "settings_reloaded") != [])
            ask_on(kept, b"X-Forwarded-For: 203.0.113.9\r\n")
        assert eventually(lambda: lines.read_text().count("\n") == 2)
        seen = [json.loads(line)["client_ip"] for line in lines.read_text().splitlines()]
        assert seen == ["203.0.113.9", "127.0.0.1"]
    finally:
        end_all(running)


def ask_on(sock: socket.socket, headers: bytes = b"") -> bytes:
    """One answer on a kept connection."""
    sock.settimeout(10)
    sock.sendall(b"GET /who HTTP/1.1\r\nHost: shop.test\r\n" + headers + b"\r\n")
    return sock.recv(65536)


def test_the_access_log_is_opened_anew(both: Sides, tmp_path: Path) -> None:
    """A rotated file is left alone after SIGHUP; lines go into the one that has its name by then."""
    file = tmp_path / "access.log"
    options = ("--access-log", "1", "--access-log-file", str(file))
    running = start_gateway(*both.options, *options, state=tmp_path / "state")
    try:
        running.get("/before")
        assert eventually(lambda: "/before" in file.read_text())
        file.rename(tmp_path / "access.log.1")
        running.process.send_signal(signal.SIGHUP)
        assert eventually(file.exists)
        running.get("/after")
        assert eventually(lambda: "/after" in file.read_text())
        assert "/after" not in (tmp_path / "access.log.1").read_text()
    finally:
        end_all(running)


def test_a_second_gateway_does_not_share_a_state_folder(gateway: Running, both: Sides) -> None:
    """It is told whose the folder is and what to do; once the first is killed, the folder is free."""
    data, admin = free_ports(2)
    where = ["--state", str(gateway.state), "--listen", f"127.0.0.1:{data}", "--admin", f"127.0.0.1:{admin}"]
    command = [sys.executable, "-m", "gateway", "run", *both.options, *where]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=30)
    assert ran.returncode == 2
    assert f"in use by another gateway (process {gateway.process.pid})" in ran.stderr
    gateway.process.kill()
    gateway.process.wait()
    again = start_gateway(*both.options, state=gateway.state, token=gateway.token)
    assert again.get("/who").text == "legacy"
    assert again.stop() == 0


LAUNCHER = """
import os, sys
for position, handle in enumerate(map(int, sys.argv[1].split(",")), 3):
    os.dup2(handle, position)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, "-m", "gateway", "run", *sys.argv[2:]])
"""


@pytest.mark.parametrize("names", ["", "admin:data"])
def test_sockets_of_a_service_manager_are_used(both: Sides, tmp_path: Path, names: str) -> None:
    """LISTEN_FDS, by order or by name; the manager hears READY=1 and STOPPING=1, and keeps who calls after that."""
    hears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    hears.bind(str(tmp_path / "notify"))
    hears.settimeout(20)
    with socket.create_server(("127.0.0.1", 0)) as data, socket.create_server(("127.0.0.1", 0)) as admin, hears:
        given = [admin, data] if names else [data, admin]
        handles = [os.dup(sock.fileno()) for sock in given]
        handles = [os.dup2(handle, 100 + position) for position, handle in enumerate(handles)]
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                LAUNCHER,
                ",".join(map(str, handles)),
                *both.options,
                "--state",
                str(tmp_path / "s"),
            ],
            cwd=REPOSITORY,
            env={**os.environ, "LISTEN_FDS": "2", "LISTEN_FDNAMES": names, "NOTIFY_SOCKET": str(tmp_path / "notify")},
            pass_fds=handles,
            stdout=subprocess.DEVNULL,
        )
        try:
            assert hears.recv(100) == b"READY=1"
            url, admin_url = (f"http://127.0.0.1:{sock.getsockname()[1]}" for sock in (data, admin))
            assert CLIENT.get(f"{url}/who").text == "legacy"
            assert CLIENT.get(f"{admin_url}/readyz").json()["ready"] is True
            process.terminate()
            assert hears.recv(100) == b"STOPPING=1"
            assert process.wait(20) == 0
            with socket.create_connection(data.getsockname()):
                accepted, _ = data.accept()
                accepted.close()
        finally:
            process.kill()
            process.wait()
            for handle in handles:
                os.close(handle)


@pytest.mark.parametrize("ignored", [False, True])
def test_a_gateway_ends_with_its_terminal_unless_told_otherwise(both: Sides, tmp_path: Path, ignored: bool) -> None:
    """A terminal that closes ends it; where SIGHUP is ignored at the start, as nohup has it, it goes on."""
    data, admin = free_ports(2)
    where = ["--state", str(tmp_path / "s"), "--listen", f"127.0.0.1:{data}", "--admin", f"127.0.0.1:{admin}"]
    pid, terminal = pty.fork()
    if pid == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)  # nohup's goes on to its children
        os.chdir(REPOSITORY)
        os.execv(sys.executable, [sys.executable, "-m", "gateway", "run", *both.options, *where])
    try:
        assert eventually(lambda: ready_at(admin), within=30)
        os.close(terminal)
        if ignored:
            assert not eventually(lambda: not ready_at(admin), within=1.5)
            os.kill(pid, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)


def ready_at(admin: int) -> bool:
    """Whether a gateway's admin plane answers."""
    try:
        return CLIENT.get(f"http://127.0.0.1:{admin}/readyz").status_code == 200
    except httpx.TransportError:
        return False
