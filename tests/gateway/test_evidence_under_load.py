"""Evidence may lose its tables, its database and its mind; clients do not notice, and it finds itself again."""

from __future__ import annotations

import http.server
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

from gateway.db.embedded import ensure_database
from tests.gateway.db.fixtures import Mortal
from tests.gateway.running import CLIENT, Running, eventually, start_gateway

TABLES = "verdict_minutes, mismatch_clusters, findings, exemplars, rule_hits, strata"
ROUTE = "effect: read\nstickiness: client_ip\n"


@contextmanager
def side(name: str) -> Iterator[str]:
    """A backend whose answers are its own: every number is another place that differs."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = json.dumps({self.path.rpartition("/")[2]: name, "same": 1}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def gateway(mortal: Mortal, tmp_path: Path) -> Iterator[tuple[Running, str]]:
    """A gateway whose one route always differs, and the URL of its database."""
    (tmp_path / "contracts" / "things.get").mkdir(parents=True)
    (tmp_path / "contracts" / "things.get" / "route.yaml").write_text(f"route: GET /things/{{name}}\n{ROUTE}")
    url = ensure_database(mortal.embedded.url, "flags")
    with side("legacy") as legacy, side("new") as new:
        options = ("--legacy", legacy, "--new", new, "--contracts", str(tmp_path / "contracts"))
        own = start_gateway(*options, "--database-url", url, state=tmp_path / "state")
        assert own.flip("things.get", "shadow", sample=10_000).status_code == 200
        yield own, url
        own.stop()


@contextmanager
def load(own: Running) -> Iterator[list[int]]:
    """Four clients that ask until the end; what they were answered."""
    statuses: list[int] = []
    ended = threading.Event()
    numbers = count()

    def ask() -> None:
        while not ended.is_set():
            word = "".join(chr(97 + int(digit)) for digit in str(next(numbers)))
            statuses.append(CLIENT.get(f"{own.data}/things/{word}").status_code)

    with ThreadPoolExecutor(4) as clients:
        asking = [clients.submit(ask) for _ in range(4)]
        try:
            yield statuses
        finally:
            ended.set()
        for each in asking:
            each.result()


def total(own: Running) -> int:
    """How many comparisons are stored; 0 while nobody can say."""
    answer = own.api("GET", "/api/routes/things.get/mismatches?limit=1")
    return sum(answer.json()["verdicts"].values()) if answer.status_code == 200 else 0


def dropped(own: Running) -> float:
    """How many findings were dropped for want of a store."""
    text = CLIENT.get(f"{own.admin}/metrics").text
    found = re.findall(r"^strangler_evidence_dropped_total\{[^}]*\} (\S+)$", text, re.MULTILINE)
    return sum(map(float, found))


def test_tables_that_are_emptied_and_dropped_under_load(gateway: tuple[Running, str]) -> None:
    """Every request is answered, what is lost is counted, and evidence goes on by itself."""
    own, url = gateway
    with load(own) as statuses:
        assert eventually(lambda: total(own) > 20)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"TRUNCATE {', '.join(f'gateway.{each}' for each in TABLES.split(', '))}".encode())
            assert eventually(lambda: total(own) > 0)

            def lost() -> bool:
                """Whether a batch has met no table: they are made anew before the next, if nobody drops them again."""
                connection.execute(b"DROP TABLE IF EXISTS gateway.verdict_minutes, gateway.findings, gateway.strata")
                return dropped(own) > 0

            assert eventually(lost)
        assert eventually(lambda: total(own) > 20, within=60)
    assert set(statuses) == {200}
    assert own.ready()["fresh"] is True


def test_a_database_that_dies_under_load(gateway: tuple[Running, str], mortal: Mortal) -> None:
    """Every request is answered while it is dead, findings are dropped and counted, and both come back."""
    own, _ = gateway
    with load(own) as statuses:
        assert eventually(lambda: total(own) > 20)
        mortal.kill()
        assert eventually(lambda: dropped(own) > 0, within=60)
        before = len(statuses)
        assert eventually(lambda: len(statuses) > before + 50)
        mortal.start()
        assert eventually(lambda: total(own) > 20, within=60)
    assert set(statuses) == {200}
