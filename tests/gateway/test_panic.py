"""A whole gateway in panic: everything goes to legacy, whatever is dead, until somebody ends it."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.gateway.backends import Sides, put_on_new, sides
from tests.gateway.cli.conftest import Strangler, strangler
from tests.gateway.running import Running, eventually, start_gateway

__all__ = ["strangler"]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Sides]:
    """Legacy, new, and a contract."""
    with sides(tmp_path) as served:
        yield served


@pytest.fixture
def gateway(both: Sides, tmp_path: Path) -> Iterator[Running]:
    """A gateway with a database of its own, its route on the new side."""
    running = start_gateway(*both.options, state=tmp_path / "state")
    put_on_new(running)
    yield running
    running.stop()


def kill_database(state: Path) -> None:
    """SIGKILL every process of the embedded PostgreSQL, and let it not come back."""
    pid = int((state / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
    server = psutil.Process(pid)
    (state / "postgres" / "data" / "PG_VERSION").unlink()  # no gateway starts what it cannot recognise
    for process in [server, *server.children(recursive=True)]:
        process.kill()
    server.wait(10)


def test_panic_sends_everything_to_legacy_with_the_database_dead(gateway: Running, strangler: Strangler) -> None:
    """PostgreSQL is killed; `strangler panic` moves the route to legacy all the same and says that it did."""
    kill_database(gateway.state)
    assert gateway.get("/who").text == "new"
    ran = strangler("panic", "--state", str(gateway.state), "--admin-url", gateway.admin)
    assert ran.code == 0, ran.err
    assert "everything goes to legacy" in ran.out
    assert gateway.get("/who").text == "legacy"
    assert gateway.ready()["panic"] is True


def test_panic_is_not_undone_by_flips_and_ends_with_the_newest_flags(gateway: Running, strangler: Strangler) -> None:
    """A flip during a panic is stored and has no effect; `panic --off` puts what is stored in force."""
    where = ("--state", str(gateway.state), "--admin-url", gateway.admin)
    assert strangler("panic", *where).code == 0
    assert gateway.flip("who", "canary", canary=10_000, reason="all of them").status_code == 200
    assert gateway.stage("who") == "canary"
    assert gateway.get("/who").text == "legacy"
    listed = strangler("routes", *where[2:], "--token", gateway.token)
    assert "PANIC: everything goes to legacy" in listed.out
    assert strangler("panic", "--off", *where).code == 0
    assert gateway.get("/who").text == "new"


def test_a_signal_is_enough_and_the_panic_stays_over_a_restart(gateway: Running, both: Sides, tmp_path: Path) -> None:
    """SIGUSR1 turns it on and leaves the file; the next gateway of the folder starts in panic."""
    gateway.process.send_signal(signal.SIGUSR1)
    assert eventually(lambda: gateway.get("/who").text == "legacy")
    assert eventually(lambda: (gateway.state / "panic").exists())
    assert gateway.stop() == 0
    again = start_gateway(*both.options, state=gateway.state, token=gateway.token)
    try:
        assert again.stage("who") == "new"
        assert again.get("/who").text == "legacy"
        (gateway.state / "panic").unlink()
        assert eventually(lambda: again.get("/who").text == "new")
    finally:
        again.stop()
        gateway.process = again.process
    events = [json.loads(line)["event"] for line in (gateway.state / "gateway.log").read_text().splitlines()]
    assert events.count("panic_on") == 2
    assert events.count("panic_off") == 1


def test_a_panic_in_a_folder_that_is_nobodys_is_told(gateway: Running, strangler: Strangler, tmp_path: Path) -> None:
    """Where the file has no effect, because it is another gateway's folder or nobody's, the command says so."""
    other = tmp_path / "other"
    other.mkdir()
    ran = strangler("panic", "--state", str(other), "--admin-url", gateway.admin)
    assert ran.code == 1
    assert "is this its --state?" in ran.out
    assert gateway.get("/who").text == "new"
    nobody = strangler("panic", "--state", str(other), "--admin-url", "http://127.0.0.1:1")
    assert nobody.code == 3
    missing = strangler("panic", "--state", str(tmp_path / "missing"))
    assert missing.code == 2
    assert "--state names the gateway's" in missing.err
