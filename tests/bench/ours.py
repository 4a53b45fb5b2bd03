"""The gateway as a user runs it: `strangler run` with contracts, a new side, and one route in every stage."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

from gateway.contract.files import MAX_ENTRIES
from gateway.db.cluster import Cluster
from gateway.db.embedded import EmbeddedPostgres
from gateway.diff.verdict import Outcome
from tests.bench import callers, needs
from tests.bench.asking import line
from tests.bench.fronts import Front
from tests.bench.process import FRONT_CORE, Child, Children, Command, NotStarted, free_port
from tests.bench.upstream import Upstream

FEW: Final = 10
MANY: Final = min(10_000, MAX_ENTRIES)  # more routes than that no contracts folder may hold
STAGES: Final = {
    "legacy": {},
    "shadow": {"sample": 10_000},
    "canary": {"canary": callers.SHARE, "sample": 0},
    "new": {"sample": 0},
    "retired": {},
}
START_S: Final = 120
_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway: the front, its admin plane, its state folder."""

    front: Front
    admin: int
    token: str
    state: Path

    def flip(self, route: str, stage: str, **shares: int) -> None:
        """Put a route into a stage at once; NotStarted when the gateway will not."""
        body = {"stage": stage, "force": True, "reason": "measured", **shares}
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        with line(self.admin) as admin:
            version = admin.ask("GET", f"/api/routes/{route}", headers=headers).headers["etag"]
            answer = admin.ask(
                "PUT",
                f"/api/routes/{route}/flag",
                body=json.dumps(body).encode(),
                headers=headers | {"if-match": version},
            )
        if answer.status != 200:
            raise NotStarted(f"{route} does not go to {stage}: {answer.body.decode()}")

    def verdicts(self, route: str) -> dict[str, int]:
        """What was found by comparing, as it is stored."""
        sums = ", ".join(f"coalesce(sum({outcome}), 0)" for outcome in Outcome)
        query = f"SELECT {sums} FROM gateway.verdict_minutes WHERE route = %s"
        with psycopg.connect(EmbeddedPostgres(self.state / "postgres").url) as connection:
            (row,) = connection.execute(query.encode(), [route]).fetchall()
            return {str(outcome): int(count) for outcome, count in zip(Outcome, row, strict=True) if count}


@dataclass(frozen=True, slots=True)
class Kind:
    """One of our own fronts: how many routes it has, and which of the two fronts it is."""

    routes: int = FEW
    front: str = "edge"


KINDS: Final = {"strangler": Kind(), "strangler-asgi": Kind(front="asgi"), "strangler-many": Kind(routes=MANY)}


def start(name: str, children: Children, upstream: Upstream, *, folder: Path) -> Gateway:
    """Start one of our own fronts, and flip the routes whose names are stages."""
    contracts, state = folder / f"{name}-contracts", folder / f"{name}-state"
    write_contracts(contracts, KINDS[name].routes)
    data, admin = free_port(), free_port()
    argv = [sys.executable, "-m", "gateway", "run", "--legacy", f"http://127.0.0.1:{upstream.port}"]
    argv += ["--new", "tests.bench.newside:build", "--contracts", str(contracts), "--state", str(state)]
    argv += ["--listen", f"127.0.0.1:{data}", "--admin", f"127.0.0.1:{admin}", "--front", KINDS[name].front]
    environment = {"BENCH_MARK": upstream.mark, "PYTHONPATH": str(needs.REPOSITORY)}
    child = children.start(name, Command(argv, environment), core=FRONT_CORE)
    child.daemons = lambda: _postgres(state)
    child.wait_for(admin, within_s=START_S)
    child.wait_for(data)
    token = _eventually(lambda: re.search(r"sgw_\S+", child.log.read_text()), child)
    gateway = Gateway(Front(name, child, data, 1), admin, token.group(), state)
    for stage, shares in STAGES.items():
        gateway.flip(f"{stage}.get", stage, **shares)
    _eventually(lambda: _all_flipped(data), child)
    return gateway


def write_contracts(folder: Path, count: int) -> None:
    """Write `count` routes: one for each path of the loads, then others of every method and depth."""
    lines = [f"GET /api/{name}/{{id}}" for name in ("items", *STAGES)]
    keys = [f"{name}.get" for name in ("items", *STAGES)]
    for number in range(count - len(lines)):
        deeper = "".join(f"/part{level}" for level in range(number // len(_METHODS) % 4))
        lines.append(f"{_METHODS[number % len(_METHODS)]} /api/others{number}/{{id}}{deeper}")
        keys.append(f"others{number}.any")
    for key, route in zip(keys, lines, strict=True):
        (folder / key).mkdir(parents=True)
        effect = "read" if route.startswith("GET") else "write"
        text = f"route: {route}\neffect: {effect}\nstickiness: header:x-caller\n"
        (folder / key / "route.yaml").write_text(text)


def _postgres(state: Path) -> list[psutil.Process]:
    """The embedded PostgreSQL: `pg_ctl` started it, so it is nobody's child."""
    server = Cluster((state / "postgres" / "data").resolve(), {}).server()
    return [] if server is None else [server]


def _all_flipped(port: int) -> bool:
    """Whether requests meet the side they should, and about half of the callers the new one in canary."""
    with line(port) as front:

        def side(route: str, caller: str) -> str | None:
            answer = front.ask("GET", f"/api/{route}/42", headers={"x-caller": caller})
            return answer.headers.get("x-strangler-side")

        sides = [side(route, "caller-1") for route in ("items", "legacy", "shadow", "new", "retired")]
        in_cohort = {name for name in (f"caller-{number}" for number in range(200)) if side("canary", name) == "new"}
        chosen = {side("canary", name) for name in callers.cohort()}
    return sides == ["legacy", "legacy", "legacy", "new", "new"] and 60 < len(in_cohort) < 140 and chosen == {"new"}


def _eventually(look: Callable[[], Any], child: Child) -> Any:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(OSError, HTTPException):
            if seen := look():
                return seen
        time.sleep(0.2)
    raise NotStarted(f"{child.name} does not get ready, see {child.log}")
