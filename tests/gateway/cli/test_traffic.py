"""The played frontend."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.cli.demo.traffic import Person, Step, Traffic


class Backend(ThreadingHTTPServer):
    """Answers as legacy does, as far as the frontend looks; counts what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[str] = Counter()
        self.anonymous = 0
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        assert isinstance(self.server, Backend)
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.asked[f"{self.command} {self.path}"] += 1
        if self.path != "/api/login" and "authorization" not in self.headers:
            self.server.anonymous += 1
        content: object = {"token": "t"} if self.path == "/api/login" else [{"id": "7"}]
        body = json.dumps(content).encode()
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def backend() -> Iterator[Backend]:
    """A backend on a free port."""
    with Backend() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def play(url: str, *, seconds: float, per_second: float = 100) -> Traffic:
    """Let the frontend play for a while."""
    traffic = Traffic(url, per_second=per_second)
    traffic.start()
    time.sleep(seconds)
    traffic.stop()
    return traffic


def test_frontend_logs_in_first_and_then_shows_its_token(backend: Backend) -> None:
    """Nobody asks for lots before they have logged in; afterwards every request carries the token."""
    traffic = Traffic(backend.url, per_second=100)
    traffic.start()
    deadline = time.monotonic() + 30
    while not {"GET /api/lots", "GET /api/runs"} <= set(backend.asked) and time.monotonic() < deadline:
        time.sleep(0.05)
    traffic.stop()
    assert {"GET /api/lots", "GET /api/runs"} <= set(backend.asked)
    assert backend.asked["POST /api/login"] >= 1
    assert backend.anonymous == 0
    assert traffic.counts["2xx"] == backend.asked.total()


def test_pace_is_kept_and_not_caught_up(backend: Backend) -> None:
    """Twenty a second are about twenty a second, never more."""
    traffic = play(backend.url, seconds=1, per_second=20)
    assert 5 <= traffic.counts.total() <= 23


def test_dead_gateway_is_counted_and_not_fatal() -> None:
    """Requests without an answer are counted, and the frontend goes on."""
    traffic = play("http://127.0.0.1:1", seconds=0.5)
    assert traffic.counts["no answer"] > 3
    assert "failed" in traffic.status()


def test_failures_of_the_backend_are_in_the_status_line(backend: Backend) -> None:
    """An answer of 500 counts as failed."""
    backend.status = 500
    traffic = play(backend.url, seconds=0.3)
    assert traffic.counts["5xx"] == traffic.counts.total() > 0
    assert traffic.status().count("failed") == 1
    assert len(traffic.status()) < 80


def test_token_that_is_refused_is_fetched_anew(backend: Backend) -> None:
    """After a 401 the next request is a login."""
    backend.status = 401
    play(backend.url, seconds=0.3)
    assert set(backend.asked) == {"POST /api/login"}


def test_every_lot_that_is_created_has_a_code_of_its_own() -> None:
    """Two lots never meet in the unique index, also after a restart with the same dice."""
    people = [Person(random.Random(1), token="t") for _ in range(2)]
    codes = [person.next_step("new_lot", 1).body for person in people]
    assert codes[0] is not None
    assert codes[1] is not None
    assert codes[0]["lot_code"] != codes[1]["lot_code"]


def test_decision_is_about_a_lot_that_was_seen() -> None:
    """Without a lot there is nothing to decide, so the list is asked for first."""
    person = Person(random.Random(1), token="t")
    assert person.next_step("decision", 1).target == "/api/lots"
    person.learn(Step("GET", "/api/lots"), [{"id": "7"}])
    step = person.next_step("decision", 1)
    assert step.target == "/api/qc-decisions"
    assert step.body is not None
    assert step.body["lot_id"] == "7"
    assert len(step.body["notes"]) >= 10
