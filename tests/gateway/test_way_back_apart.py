"""The way back with many parts, or some missing: workers, a dead database, a webhook that fails at first."""

from __future__ import annotations

import hmac
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.db.fixtures import Mortal, mortal, place
from tests.gateway.running import eventually, start_gateway
from tests.gateway.test_way_back import WATCHED, Lots, Stage, sides

__all__ = ["mortal", "place", "sides"]

KEY = "k" * 32


@contextmanager
def played(sides: tuple[Lots, Lots, Path], state: Path, *more: str, **environment: str) -> Iterator[Stage]:
    """A gateway with these options."""
    legacy, new, contracts = sides
    options = ("--legacy", legacy.url, "--new", new.url, "--contracts", str(contracts), *more)
    gateway = start_gateway(*options, state=state, environment={**WATCHED, **environment})
    try:
        yield Stage(legacy, new, contracts, gateway)
    finally:
        gateway.stop()


def test_many_workers_go_back_together_once(sides: tuple[Lots, Lots, Path], database: str, tmp_path: Path) -> None:
    """Each of three workers meets the dead side: one change is made, and none of them asks it any more."""
    with played(sides, tmp_path / "state", "--database-url", database, "--workers", "3") as stage:
        stage.gateway.flip("lots.get", "new", sample=0)
        assert eventually(lambda: stage.ask(12) == [200] * 12)
        stage.new.status = 503
        stage.ask(60)
        assert eventually(lambda: stage.gateway.stage("lots.get") == "legacy")
        assert eventually(lambda: stage.ask(40) == [200] * 40)
        assert len(stage.rollbacks()) == 1
        changes = stage.gateway.api("GET", "/api/routes/lots.get/history").json()["changes"]
        assert [each["by"] for each in changes] == ["auto-rollback", "admin"]


def test_a_process_goes_back_alone_while_the_database_is_dead(
    sides: tuple[Lots, Lots, Path], mortal: Mortal, tmp_path: Path
) -> None:
    """Callers are on legacy at once; when the database is back it hears of it, and nobody comes forward again."""
    with played(sides, tmp_path / "state", "--database-url", mortal.url) as stage:
        stage.gateway.flip("lots.get", "new", sample=0)
        assert eventually(lambda: stage.ask(5) == [200] * 5)
        mortal.kill()
        stage.new.status = 503
        stage.ask(20)
        assert eventually(lambda: stage.ask(5) == [200] * 5)
        mortal.start()
        assert eventually(lambda: stage.gateway.ready().get("fresh") is True)
        assert eventually(lambda: [each["what"] for each in stage.rollbacks()] == ["errors"])
        assert stage.ask(20) == [200] * 20
        flag = stage.gateway.api("GET", "/api/routes/lots.get").json()["flag"]
        assert (flag["stage"], flag["version"], flag["set_by"]) == ("legacy", 2, "auto-rollback")


def test_a_process_does_not_wait_for_a_database_that_hangs(
    sides: tuple[Lots, Lots, Path], mortal: Mortal, tmp_path: Path
) -> None:
    """A server that takes every question and answers none holds nobody on a side that fails."""
    with played(sides, tmp_path / "state", "--database-url", mortal.url) as stage:
        stage.gateway.flip("lots.get", "new", sample=0)
        assert eventually(lambda: stage.ask(5) == [200] * 5)
        frozen = mortal.freeze()
        stage.new.status = 503
        stage.ask(20)
        try:
            assert eventually(lambda: stage.ask(5) == [200] * 5, within=4.5)
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        assert eventually(lambda: [each["what"] for each in stage.rollbacks()] == ["errors"], within=30)


class Listener:
    """Takes what a webhook sends; the first answer is 500."""

    def __init__(self) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        heard = self.heard

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(500 if len(heard) == 1 else 204)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/strangler?team=lots"
        self.thread = threading.Thread(target=self.server.serve_forever)


@pytest.fixture
def listener() -> Iterator[Listener]:
    """Somebody who wants to be told."""
    listener = Listener()
    listener.thread.start()
    yield listener
    listener.server.shutdown()
    listener.thread.join()
    listener.server.server_close()


def test_a_webhook_is_called_until_it_takes_it(
    sides: tuple[Lots, Lots, Path], database: str, listener: Listener, tmp_path: Path
) -> None:
    """Signed, with the route, the reason and the number of affected requests; again after a failure, then no more."""
    environment = {"STRANGLER_ROLLBACK_WEBHOOK": listener.url, "STRANGLER_ROLLBACK_WEBHOOK_KEY": KEY}
    with played(sides, tmp_path / "state", "--database-url", database, **environment) as stage:
        stage.gateway.flip("lots.get", "canary", canary=10_000)
        stage.new.mangle = lambda _, lot: {**lot, "code": None}
        stage.ask(40)
        assert eventually(lambda: len(listener.heard) == 2, within=15)
        headers, body = listener.heard[1]
        signature = "sha256=" + hmac.new(KEY.encode(), body, sha256).hexdigest()
        assert (headers["x-strangler-signature"], headers["x-strangler-delivery"]) == (signature, "1")
        said = json.loads(body)
        assert (said["event"], said["route"], said["what"]) == ("auto_rollback", "lots.get", "mismatches")
        assert said["affected"] > 0
        assert {each["where"] for each in said["exemplars"]} == {"body/code"}
        assert eventually(lambda: [each["webhook"] for each in stage.rollbacks()] == ["sent"])
        assert KEY not in (stage.gateway.state / "gateway.log").read_text()


def test_a_route_can_be_left_alone(sides: tuple[Lots, Lots, Path], database: str, tmp_path: Path) -> None:
    """`rollback: manual` is a person's decision; the next edit of the file takes it back without a restart."""
    route = sides[2] / "lots.get" / "route.yaml"
    route.write_text(route.read_text().replace("slack", "rollback: manual, slack"))
    with played(sides, tmp_path / "state", "--database-url", database) as stage:
        stage.gateway.flip("lots.get", "new", sample=0)
        stage.new.status = 503
        for _ in range(4):
            assert 503 in stage.ask(20)
        assert stage.rollbacks() == []
        route.write_text(route.read_text().replace("manual", "automatic"))
        assert eventually(lambda: stage.ask(10) == [200] * 10)
        assert [each["what"] for each in stage.rollbacks()] == ["errors"]
