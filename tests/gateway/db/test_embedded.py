"""The embedded PostgreSQL: started, shared, adopted after a crash, and really gone when stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import psutil
import psycopg
import pytest

from gateway.db.embedded import EmbeddedPostgres, EmbeddedPostgresError

from .fixtures import FAST, TEMPORARY, Mortal

USE = """
import signal, sys, time
from pathlib import Path
from gateway.db.embedded import EmbeddedPostgres
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it for what it starts in the background
server = EmbeddedPostgres(Path(sys.argv[1]))
print(server.start(), flush=True)
if sys.argv[2] == "stay":
    time.sleep(60)
"""


def processes(folder: Path) -> list[psutil.Process]:
    """Every process that works in the data folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(folder / "data"):
                found.append(process)
        except psutil.Error:
            continue
    return found


def parent(folder: Path, then: str) -> subprocess.Popen[str]:
    """Another Python process that uses the server in this folder."""
    return subprocess.Popen([sys.executable, "-c", USE, str(folder), then], stdout=subprocess.PIPE, text=True)


def answers(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def test_orphan_is_adopted_and_stop_ends_it(mortal: Mortal, place: Path) -> None:
    """The server outlives a parent that is killed; starting again takes over that very server, and stop ends it."""
    folder = place / "mortal"
    with parent(folder, "stay") as first:
        assert first.stdout is not None
        url = first.stdout.readline().strip()
        mortal.stop()
        assert answers(url), "one user stopping ended the other's server"
        pid = mortal.pid
        first.kill()
    assert answers(url)
    (folder / "data" / ".handle_pids.json").write_text("[1, 2, 999999]")  # what pgserver itself would trip over
    adopted = EmbeddedPostgres(folder)
    assert adopted.start() == url
    assert mortal.pid == pid
    adopted.stop()
    assert not adopted.is_running()
    assert processes(folder) == []


def test_process_that_forgets_to_stop_leaves_nothing(place: Path) -> None:
    """An ordinary exit of the last user ends the server, also after Ctrl-C."""
    folder = place / "pg"
    with parent(folder, "stay") as forgetful:
        assert forgetful.stdout is not None
        assert answers(forgetful.stdout.readline().strip())
        forgetful.send_signal(signal.SIGINT)
        forgetful.wait(20)
    assert processes(folder) == []


def test_killed_server_starts_again_with_its_data(mortal: Mortal) -> None:
    """After kill -9 of the server alone, a start recovers what was committed, whatever its pid file says."""
    with psycopg.connect(mortal.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS n")
    os.kill(mortal.pid, signal.SIGKILL)
    mortal.embedded.start()
    with psycopg.connect(mortal.url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)


def test_stale_pid_file_is_not_believed(mortal: Mortal, postgres: str) -> None:
    """A pid that belongs to somebody else by now, or no pid at all, neither passes for a server nor stops a start."""
    other = Path(unquote(postgres.partition("host=")[2]), "postmaster.pid").read_text().split()[0]
    rest = "\n".join(["/x", "1700000000", "5432", str(mortal.data), "", "1 1", "ready"])
    for left in (str(os.getpid()), other, "1", "garbage", ""):
        mortal.stop()
        (mortal.data / "postmaster.pid").write_text(f"{left}\n{rest}\n")
        (mortal.data / ".s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
        assert not mortal.embedded.is_running(), left
        assert answers(mortal.embedded.start()), left
    assert answers(postgres)


def test_person_who_stands_in_the_folder_is_not_killed(mortal: Mortal) -> None:
    """Only PostgreSQL's own processes are cleared away before a start, not a shell somebody left there."""
    mortal.stop()
    with subprocess.Popen(["sleep", "60"], cwd=mortal.data) as shell:
        (mortal.data / "postmaster.pid").write_text(f"{shell.pid}\n")
        assert not mortal.embedded.is_running()
        assert answers(mortal.embedded.start())
        assert shell.poll() is None
        shell.kill()


def test_interrupted_initdb_leaves_nothing_that_looks_finished(place: Path) -> None:
    """What an initdb left that was killed half-way is thrown away."""
    (place / "pg" / "data.new").mkdir(parents=True)
    (place / "pg" / "data.new" / "PG_VERSION").write_text("18")
    server = EmbeddedPostgres(place / "pg", settings=FAST)
    assert answers(server.start())
    server.stop()


def test_folder_of_any_name_and_length_works(place: Path) -> None:
    """Spaces, quotes and dollar signs are only a name, and a path too long for a socket gets one elsewhere."""
    folder = place / 'it\'s "$HOME" `x`' / ("long" * 25)
    server = EmbeddedPostgres(folder, settings=FAST)
    socket_folder = Path(unquote(server.url.partition("host=")[2]))
    assert socket_folder.parent == TEMPORARY
    try:
        assert answers(server.start())
    finally:
        server.stop()
    assert processes(folder) == []
    assert not socket_folder.exists()


@pytest.mark.parametrize("content", ["17", "not a number"])
def test_foreign_data_is_refused_with_a_sentence(place: Path, content: str) -> None:
    """Data of a PostgreSQL that is not installed is left alone, and the sentence says why nothing starts."""
    (place / "data").mkdir()
    (place / "data" / "PG_VERSION").write_text(content)
    with pytest.raises(EmbeddedPostgresError, match=r"does not start: .*PostgreSQL"):
        EmbeddedPostgres(place).start()


def test_folder_with_something_else_is_left_alone(place: Path) -> None:
    """A data folder that holds no database is neither filled nor emptied."""
    (place / "data").mkdir()
    (place / "data" / "thesis.txt").write_text("mine")
    with pytest.raises(EmbeddedPostgresError, match="holds something that is not a database"):
        EmbeddedPostgres(place).start()
    assert (place / "data" / "thesis.txt").read_text() == "mine"


def test_place_where_nothing_can_be_written_is_said(place: Path) -> None:
    """A folder that cannot be made is a sentence, not a traceback of the system's."""
    (place / "file").write_text("")
    with pytest.raises(EmbeddedPostgresError, match="does not start: "):
        EmbeddedPostgres(place / "file" / "pg").start()


def test_two_processes_start_together(place: Path) -> None:
    """Two that find an empty folder share one server; it ends with the last of them."""
    folder = place / "pg"
    with parent(folder, "stay") as first, parent(folder, "stay") as second:
        assert first.stdout is not None
        assert second.stdout is not None
        urls = {first.stdout.readline(), second.stdout.readline()}
        assert len(urls) == 1
        first.send_signal(signal.SIGINT)
        first.wait(20)
        assert answers(urls.pop().strip())
        second.send_signal(signal.SIGINT)
        second.wait(20)
    deadline = time.monotonic() + 5
    while processes(folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes(folder) == []
