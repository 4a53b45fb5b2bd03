"""Several gateway processes shadow writes on the same few rows: nothing stays, and nothing is a false alarm."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.gateway.domains import domain_named
from tests.gateway.running import CLIENT, Running, eventually, start_gateway
from tests.legacy.stack import ACTIVE_RUN_ID, Legacy, start_legacy, stop_legacy

ROUTES = ("runs.update", "lots.create")
WRITES = 400


@pytest.fixture(scope="module")
def domain(postgres: str) -> str:
    """The URL of a database with legacy's tables, the seeds and the gateway's tables."""
    return domain_named("hot_test", postgres)


@pytest.fixture(scope="module")
def legacy(domain: str) -> Iterator[Legacy]:
    """The real Express app."""
    process, url = start_legacy(domain)
    yield Legacy(url, domain, process)
    stop_legacy(process)


@pytest.fixture
def gateway(legacy: Legacy, domain: str, tmp_path: Path) -> Iterator[Running]:
    """A gateway of three processes that rehearses what changes runs and makes lots."""
    options = ("--legacy", legacy.base_url, "--new", "services.app:build", "--contracts", "contracts", "--workers", "3")
    running = start_gateway(
        *options, "--database-url", domain, state=tmp_path / "state", environment={"SERVICES_DATABASE_URL": domain}
    )
    for route in ROUTES:
        assert running.flip(route, "shadow").status_code == 200
    yield running
    assert running.stop() == 0


def counts(gateway: Running, route: str) -> dict[str, int]:
    """What the evidence has counted of a route."""
    found: dict[str, int] = gateway.api("GET", f"/api/routes/{route}/evidence").json()["counts"]
    return found


def is_settled(gateway: Running) -> bool:
    """Whether no further finding has come for longer than findings wait for their batch."""
    before = [counts(gateway, route) for route in ROUTES]
    time.sleep(2.5)
    return all(map(any, map(dict.values, before))) and before == [counts(gateway, route) for route in ROUTES]


def test_processes_that_shadow_writes_on_one_row_do_no_harm(gateway: Running, domain: str) -> None:
    """One run and five codes, twelve clients, three processes: legacy's answers, legacy's rows, no mismatch."""
    chance = random.Random(4)
    jobs = [
        ("PATCH", f"/api/runs/{ACTIVE_RUN_ID}", {"status": "ACTIVE", "summary": {"n": number}})
        if number % 2
        else ("POST", "/api/lots", {"lot_code": f"HOT-{chance.randrange(WRITES // 8)}", "weight_kg": 1.5})
        for number in range(WRITES)
    ]

    def ask(job: tuple[str, str, dict[str, Any]]) -> tuple[str, int]:
        method, path, body = job
        return method, CLIENT.request(method, gateway.data + path, json=body).status_code

    with ThreadPoolExecutor(12) as clients:
        seen = Counter(clients.map(ask, jobs))
    assert seen["PATCH", 200] == WRITES // 2
    assert seen["POST", 201] + seen["POST", 500] == WRITES // 2  # legacy answers 500 to what exists already
    assert eventually(lambda: is_settled(gateway), within=60)
    with psycopg.connect(domain) as connection:
        stored = connection.execute("SELECT count(*) FROM lots WHERE lot_code LIKE 'HOT-%'").fetchone()
        deadlocks = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert (stored, deadlocks.fetchone()) == ((seen["POST", 201],), (0,))
    for route in ROUTES:
        told = gateway.api("GET", f"/api/routes/{route}/mismatches").json()
        assert told["verdicts"].get("mismatched", 0) == 0, told
    assert counts(gateway, "lots.create")["allowed"] > WRITES // 8  # duplicates, which both refuse
