"""The demo as people run it: started for real, hurt in every way, stopped in every way."""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from tests.gateway.cli.demos import ANY, Demo, get, insist_on_ready, launch, until
from tests.gateway.cli.program import ROOT, processes_of, run_in


def test_table_tells_where_everything_is(demo: Demo) -> None:
    """People read the four addresses, the token and three things to try; no line is broken."""
    said = demo.said()
    for key in ("gateway_url", "admin_url", "admin_token", "legacy_url"):
        assert demo.notes[key] in said
    assert f"curl -i {demo.notes['gateway_url']}/api/lots\n" in said
    assert " routes\n" in said
    assert " flip lots.list shadow\n" in said


def test_notes_for_programs_are_complete_and_private(demo: Demo) -> None:
    """demo.json has every address and key, and only its owner may read it."""
    assert set(demo.notes) == {
        "gateway_url",
        "admin_url",
        "admin_token",
        "legacy_url",
        "database_url",
        "anon_key",
    }
    assert stat.S_IMODE((demo.state / "demo.json").stat().st_mode) == 0o600


def test_seeded_lots_come_through_the_gateway(demo: Demo) -> None:
    """The frontend's first request meets the seeded data, and the gateway says which side answered."""
    answer = get(demo.notes["gateway_url"], "/api/traceability/MIX-BATCH-88")
    assert answer is not None
    assert answer[0] == 200
    assert json.loads(answer[1])["central"]["lot_code"] == "MIX-BATCH-88"


def test_anon_key_opens_the_supabase_part_through_the_gateway(demo: Demo) -> None:
    """The key in demo.json is the one that a browser would have."""
    answer = get(demo.notes["gateway_url"], "/rest/v1/lots?select=lot_code", apikey=demo.notes["anon_key"])
    assert answer is not None
    assert answer[0] == 200


def test_token_opens_the_admin_plane(demo: Demo) -> None:
    """The token in demo.json is a working one."""
    authorization = f"Bearer {demo.notes['admin_token']}"
    answer = get(demo.notes["admin_url"], "/api/routes", authorization=authorization)
    assert answer is not None
    assert answer[0] == 200


@pytest.mark.parametrize(("part", "word"), [("legacy", "server.js"), ("gateway", "gateway")])
def test_killed_part_comes_back(demo: Demo, part: str, word: str) -> None:
    """kill -9 of a child is told, and the system serves again within seconds."""
    killed = demo.child(word)
    killed.kill()
    assert until(lambda: f"{part} was killed by SIGKILL" in demo.said(), 5), demo.said()
    assert until(lambda: f"{part} is back" in demo.said()), demo.said()
    assert until(demo.answers)
    assert demo.child(word).pid != killed.pid


def test_killed_postgresql_comes_back_with_its_data(demo: Demo) -> None:
    """kill -9 of the database server is told; afterwards the lots are there and tokens work."""
    pid = int((demo.state / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
    psutil.Process(pid).kill()
    assert until(lambda: "PostgreSQL is back" in demo.said()), demo.said()
    assert until(lambda: demo.answers("/api/traceability/FG-DONER-X1"))
    authorization = f"Bearer {demo.notes['admin_token']}"
    assert until(lambda: get(demo.notes["admin_url"], "/api/routes", authorization=authorization), 15)


def test_traffic_reaches_the_gateway_and_is_told_in_one_line(demo: Demo) -> None:
    """The played frontend's line says how many requests there were."""
    assert until(lambda: "strangler demo: traffic: " in demo.said())
    with psycopg.connect(demo.notes["database_url"]) as connection:
        assert until(lambda: _count(connection, "select count(*) from users where last_login is not null") > 0)


def _count(connection: psycopg.Connection[Any], statement: str) -> int:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def test_second_demo_in_one_folder_is_refused(demo: Demo) -> None:
    """Who starts another one there is told which process has the folder; the first goes on."""
    ran = run_in(ROOT, ["demo", "--state", str(demo.state), *ANY])
    assert ran.code == 2
    assert f"process {demo.process.pid}" in ran.err
    assert demo.answers()


def test_busy_port_is_told_before_anything_is_started(demo: Demo, tmp_path: Path) -> None:
    """A port that is taken is named with its option, and no database is made."""
    port = urlsplit(demo.notes["legacy_url"]).port
    ran = run_in(ROOT, ["demo", "--state", str(tmp_path / "other"), *ANY, "--legacy-port", str(port)])
    assert ran.code == 2
    assert f"port {port} on 127.0.0.1 is in use; choose another with --legacy-port" in ran.err
    assert not (tmp_path / "other" / "postgres").exists()


def test_demo_outside_a_checkout_is_refused(tmp_path: Path) -> None:
    """Without the legacy app there is nothing to show, and nothing is left in the folder."""
    ran = run_in(tmp_path, ["demo", *ANY])
    assert ran.code == 2
    assert "clone the repository" in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Path]:
    """A state folder nobody has used; whatever a failed test leaves is ended."""
    yield tmp_path / "state"
    for process in processes_of(tmp_path):
        process.kill()


@pytest.mark.parametrize(
    ("after_s", "signals"),
    [
        (0.7, (signal.SIGINT,)),
        (2.0, (signal.SIGTERM, signal.SIGTERM)),
        (3.5, (signal.SIGHUP,)),
        (5.0, (signal.SIGINT, signal.SIGINT)),
    ],
)
def test_stop_during_the_start_leaves_no_process(fresh: Path, after_s: float, signals: tuple[signal.Signals]) -> None:
    """Whenever it comes, and also twice, a wish to stop is followed and no failure."""
    demo = launch(fresh)
    time.sleep(after_s)
    # before the demo listens, the signal ends Python itself: nothing has been started then
    assert demo.ends(*signals) in (0, 130, -signals[0]), demo.said()
    assert processes_of(fresh) == []
    assert "Traceback" not in demo.said()


def test_second_start_is_fast_and_keeps_data_token_and_secrets(fresh: Path) -> None:
    """What was there is there again: rows, the admin token, the anon key; Ctrl-C leaves no process either time."""
    first = launch(fresh)
    insist_on_ready(first)
    before = first.notes
    with psycopg.connect(before["database_url"], autocommit=True) as connection:
        connection.execute("INSERT INTO lots (lot_code) VALUES ('KEEP-ME')")
    assert first.ends(signal.SIGINT) == 0, first.said()
    assert processes_of(fresh) == []

    begun = time.monotonic()
    second = launch(fresh, "--json")
    insist_on_ready(second)
    assert time.monotonic() - begun < 60  # 5 s on a machine that does nothing else
    assert (second.notes["admin_token"], second.notes["anon_key"]) == (before["admin_token"], before["anon_key"])
    assert second.answers("/api/traceability/KEEP-ME")
    assert second.ends(signal.SIGTERM) == 0, second.said()
    assert json.loads(second.out) == second.notes  # with --json that is all there is on standard output
    assert processes_of(fresh) == []


def test_demo_that_was_killed_leaves_nothing_the_next_one_cannot_use(fresh: Path) -> None:
    """After kill -9 the children are gone, and the next start adopts the database that was left."""
    first = launch(fresh)
    insist_on_ready(first)
    children = psutil.Process(first.process.pid).children()
    first.process.kill()
    first.process.wait()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert (len(gone), alive) == (2, [])
    second = launch(fresh)
    insist_on_ready(second)
    assert second.answers()
    done = run_in(ROOT, ["demo", "--reset", "--state", str(fresh)])
    assert done.code == 0, done.err
    assert second.process.wait(10) == 0
    assert not fresh.exists()
    assert processes_of(fresh) == []


def test_children_have_sessions_of_their_own(demo: Demo) -> None:
    """Ctrl-C of the terminal reaches the demo alone, which stops the others in order."""
    children = psutil.Process(demo.process.pid).children()
    assert [os.getsid(child.pid) for child in children] == [child.pid for child in children]
    assert len(children) == 2
