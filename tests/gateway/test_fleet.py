"""A gateway of several workers: one may die, all may be renewed, and every flip, panic and reload reaches each."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.proxy.server import FRONTS
from tests.gateway.backends import Sides, backend, put_on_new, sides, write_route
from tests.gateway.load import Load, load, read_answer
from tests.gateway.running import CLIENT, Running, eventually, start_gateway
from tests.gateway.test_panic import kill_database
from tests.legacy.stack import REPOSITORY
from tests.ports import free_ports

WORKERS = 2
BY_EITHER_FRONT = pytest.mark.parametrize("fleet", FRONTS, indirect=True)


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Sides]:
    """Legacy, new, and a contract."""
    with sides(tmp_path) as served:
        yield served


@pytest.fixture
def fleet(both: Sides, database: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Running]:
    """A gateway of two workers; by the edge, unless a test asks for both fronts."""
    front = getattr(request, "param", "edge")
    yield from started(both, "--database-url", database, "--front", front, state=tmp_path / "state")


@pytest.fixture
def alone(both: Sides, tmp_path: Path) -> Iterator[Running]:
    """A gateway of two workers with a PostgreSQL of its own."""
    yield from started(both, state=tmp_path / "state")


def started(both: Sides, *options: str, state: Path) -> Iterator[Running]:
    """A fleet for a test, with all its workers up."""
    running = start_gateway(*both.options, "--workers", str(WORKERS), *options, state=state)
    assert eventually(lambda: len(up(running)) == WORKERS, within=30)
    yield running
    if running.process.poll() is None:
        assert running.stop() == 0


def workers(fleet: Running) -> list[dict[str, Any]]:
    """What /readyz says of each worker."""
    found: list[dict[str, Any]] = fleet.ready().get("workers", [])
    return found


def up(fleet: Running) -> set[int]:
    """The process ids of the workers that serve."""
    return {worker["pid"] for worker in workers(fleet) if worker["ready"]}


def events(fleet: Running, name: str) -> list[dict[str, Any]]:
    """What the log holds, of one kind."""
    text = (fleet.state / "gateway.log").read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


def port(fleet: Running) -> int:
    """The data plane's."""
    return int(fleet.data.rpartition(":")[2])


def answers(fleet: Running, asked: int = 40) -> set[str]:
    """Who answers, over so many connections: more than one worker accepts them."""
    return {fleet.get("/who").text for _ in range(asked)}


@BY_EITHER_FRONT
async def test_a_killed_worker_takes_only_its_own_requests_with_it(fleet: Running) -> None:
    """Under load a worker gets SIGKILL: the others fail nobody, nobody is refused, and it is replaced."""
    before = up(fleet)
    async with load(port(fleet), clients=24) as asked:
        assert await asyncio.to_thread(eventually, lambda: asked.answered > 500)
        victim = max(before, key=lambda pid: len(connections(pid, port(fleet))))
        held = len(connections(victim, port(fleet)))
        assert held
        os.kill(victim, signal.SIGKILL)
        assert await asyncio.to_thread(eventually, lambda: len(up(fleet) - {victim}) == WORKERS, within=30)
        so_far = asked.answered
        assert await asyncio.to_thread(eventually, lambda: asked.answered > so_far + 500)
    cut_short(asked, held)
    assert len(up(fleet) & before) == WORKERS - 1
    [died] = events(fleet, "worker_died")
    assert (died["pid"], died["end"]) == (victim, "SIGKILL")
    assert 'strangler_worker_deaths_total{end="SIGKILL"} 1.0' in CLIENT.get(fleet.admin + "/metrics").text.splitlines()


def connections(pid: int, listening: int) -> list[Any]:
    """The client connections that a worker has."""
    return [one for one in psutil.Process(pid).net_connections("tcp") if one.laddr.port == listening and one.raddr]


def cut_short(asked: Load, most: int) -> None:
    """Every request that got no answer was in flight on the dead worker's connections; nobody was refused."""
    assert len(asked.failed) + asked.lost <= most
    assert not [failure for failure in asked.failed if not failure.startswith("answer: ")]
    assert set(asked.answers) == {b"legacy"}


async def test_ten_renewals_under_load_fail_no_request(fleet: Running) -> None:
    """SIGUSR2 replaces the workers one by one while clients ask on and on; each request is answered."""
    async with load(port(fleet), clients=16) as asked:
        for renewal in range(1, 11):
            before = up(fleet)
            fleet.process.send_signal(signal.SIGUSR2)
            renewed = lambda wanted=renewal: len(events(fleet, "workers_renewed")) == wanted  # noqa: E731
            assert await asyncio.to_thread(eventually, renewed, within=60)
            assert await asyncio.to_thread(eventually, lambda old=before: len(up(fleet) - old) == WORKERS)
    assert asked.failed == []
    assert asked.lost == 0
    assert asked.answered > 1_000
    assert events(fleet, "worker_died") == []


@BY_EITHER_FRONT
async def test_sigterm_with_two_hundred_requests_under_way_fails_none(fleet: Running, both: Sides) -> None:
    """Each of them gets its whole answer, whichever worker has it, and then all processes end."""
    pids = up(fleet)
    asked = [asyncio.create_task(one_answer(fleet, b"/slow/1500")) for _ in range(200)]
    assert await asyncio.to_thread(eventually, lambda: both.legacy.under_way == 200)
    fleet.process.send_signal(signal.SIGTERM)
    assert set(await asyncio.gather(*asked)) == {b"legacy"}
    assert fleet.process.stdout is not None
    fleet.process.stdout.close()
    assert await asyncio.to_thread(fleet.process.wait, 20) == 0
    assert not any(map(psutil.pid_exists, pids))


async def one_answer(fleet: Running, target: bytes) -> bytes:
    """One whole answer on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(fleet))
    try:
        writer.write(b"GET %s HTTP/1.1\r\nHost: shop.test\r\n\r\n" % target)
        head, body = await read_answer(reader)
        assert head.startswith(b"HTTP/1.1 200 "), head
        return body
    finally:
        writer.close()


def test_a_flip_reaches_every_worker(fleet: Running) -> None:
    """What the admin plane has changed is in force in each of them."""
    put_on_new(fleet)
    assert eventually(lambda: not any(worker["behind"] for worker in workers(fleet)))
    assert answers(fleet) == {"new"}
    assert fleet.flip("who", "legacy").status_code == 200
    assert eventually(lambda: answers(fleet) == {"legacy"})


def test_a_worker_that_knows_less_is_told_by_ready(fleet: Running) -> None:
    """A frozen worker is behind and does not answer, and /readyz and /metrics say so without waiting for it."""
    [frozen, *_] = sorted(up(fleet))
    os.kill(frozen, signal.SIGSTOP)

    def seen() -> dict[str, Any]:
        return next(one for one in workers(fleet) if one["pid"] == frozen)

    try:
        assert fleet.flip("who", "new", force=True, reason="a test").status_code == 200
        assert eventually(lambda: seen()["behind"] and not seen()["answers"])
        assert CLIENT.get(fleet.admin + "/metrics").status_code == 200
        assert fleet.ready()["ready"] is True
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert eventually(lambda: seen()["answers"] and not seen()["behind"])


def test_panic_reaches_every_worker_with_the_database_dead(alone: Running) -> None:
    """PostgreSQL is killed, the supervisor gets SIGUSR1: no worker answers from the new side any more."""
    put_on_new(alone)
    assert eventually(lambda: answers(alone) == {"new"})
    kill_database(alone.state)
    alone.process.send_signal(signal.SIGUSR1)
    assert eventually(lambda: answers(alone) == {"legacy"})
    assert eventually(lambda: all(worker["panic"] for worker in workers(alone)))
    victim = min(up(alone))
    os.kill(victim, signal.SIGKILL)
    assert eventually(lambda: len(up(alone) - {victim}) == WORKERS, within=30)
    assert answers(alone) == {"legacy"}


def test_contracts_and_settings_reach_every_worker(fleet: Running, both: Sides) -> None:
    """A new route is known to all; broken files change nothing, also for a worker that is started after them."""
    write_route(both.contracts, "other", "GET /other")
    fleet.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: {worker.get("routes") for worker in workers(fleet)} == {2})
    (both.contracts / "other" / "route.yaml").write_text("route: nonsense\n")
    fleet.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: fleet.ready()["not_reloaded"] != [])
    victim = min(up(fleet))
    os.kill(victim, signal.SIGKILL)
    assert eventually(lambda: len(up(fleet) - {victim}) == WORKERS, within=30)
    assert eventually(lambda: {worker.get("routes") for worker in workers(fleet)} == {2})


def test_settings_are_reloaded_by_every_worker(both: Sides, database: str, tmp_path: Path) -> None:
    """After SIGHUP all workers ask legacy where the file says that it is by then."""
    file = tmp_path / "strangler.yaml"
    file.write_text(f"legacy: {both.legacy.url}\nworkers: 2\n")
    with backend("moved") as moved:
        running = start_gateway("--database-url", database, state=tmp_path / "state", cwd=tmp_path)
        try:
            assert eventually(lambda: len(up(running)) == 2, within=30)
            file.write_text(f"legacy: {moved.url}\nworkers: 3\n")
            running.process.send_signal(signal.SIGHUP)
            assert eventually(lambda: answers(running) == {"moved"})
            assert running.ready()["not_reloaded"] == ["settings: workers need a new start (SIGUSR2)"]
        finally:
            assert running.stop() == 0


def test_figures_are_those_of_all_workers_and_outlive_them(fleet: Running) -> None:
    """/metrics adds up what the workers have counted, and a renewed worker's count is not forgotten."""
    answers(fleet, asked=60)
    assert eventually(lambda: counted(fleet) == 60)
    fleet.process.send_signal(signal.SIGUSR2)
    assert eventually(lambda: events(fleet, "workers_renewed"), within=60)
    assert eventually(lambda: counted(fleet) == 60)


def counted(fleet: Running) -> float:
    """How many requests /metrics knows of."""
    lines = CLIENT.get(fleet.admin + "/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("strangler_requests_total{"))


def test_workers_leave_when_their_supervisor_is_killed(fleet: Running) -> None:
    """Nobody is left behind on the port: the next start finds it free."""
    pids = up(fleet)
    fleet.process.kill()
    fleet.process.wait()
    assert fleet.process.stdout is not None
    fleet.process.stdout.close()
    assert eventually(lambda: not any(map(psutil.pid_exists, pids)), within=20)
    with socket.create_server(("127.0.0.1", port(fleet))):
        pass


@pytest.mark.parametrize("new", ["tests.gateway.apps:refuses", "tests.gateway.apps:missing"])
def test_a_new_side_that_cannot_start_is_told_as_by_one_process(both: Sides, tmp_path: Path, new: str) -> None:
    """What a worker says about its start is what the command says, with exit code 2."""
    data, admin = free_ports(2)
    where = ["--state", str(tmp_path / "s"), "--listen", f"127.0.0.1:{data}", "--admin", f"127.0.0.1:{admin}"]
    command = [sys.executable, "-m", "gateway", "run", "--legacy", both.legacy.url, "--new", new, "--workers", "2"]
    ran = subprocess.run([*command, *where], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert f"--new {new}" in ran.stderr.splitlines()[-1]


def test_a_worker_that_dies_at_every_start_is_started_more_and_more_rarely(
    both: Sides, database: str, tmp_path: Path
) -> None:
    """Each death is a line in the log; the admin plane stays there and says that nobody serves."""
    options = ("--legacy", both.legacy.url, "--new", "tests.gateway.apps:dies", "--workers", "2")
    running = start_gateway(*options, "--database-url", database, state=tmp_path / "state")
    try:
        assert eventually(lambda: len(events(running, "worker_died")) >= 6, within=60)
        assert {line["end"] for line in events(running, "worker_died")} == {"exit 7"}
        assert running.ready()["ready"] is False
    finally:
        assert running.stop() == 0
