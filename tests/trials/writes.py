"""10,000 shadowed writes under load: `python -m tests.trials.writes [--writes N] [--clients N]`.

A real PostgreSQL, the real Express legacy, our new side and the gateway's data plane on one database: inserts, three
for each code, and updates of one row. It says what was compared, and ends with 1 when a row is left that no client was
told of, when a race was taken for a mismatch, when the database saw a deadlock, or when a client waited longer than the
budget and the slowest answer of legacy without rehearsals.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import perf_counter

import psycopg

from gateway.diff.verdict import Outcome
from gateway.rollout.stage import Stage
from gateway.telemetry import counters
from tests.gateway.proxy.harness import Served
from tests.gateway.writes.both import both, settled
from tests.legacy.stack import ACTIVE_RUN_ID, SECRET, create_database, start_legacy, start_postgres, stop_legacy
from tests.services.rehearsals import prepared

BUDGET_S = 0.25
AT_ONCE = 4  # rehearsals for each client: those before are still compared
SCHEDULING_S = 0.25  # this process serves the clients, the gateway and the new side on one loop


@dataclass(slots=True)
class Load:
    """What the clients saw."""

    statuses: Counter[str] = field(default_factory=Counter)
    created: int = 0
    waited: list[float] = field(default_factory=list)

    @property
    def longest(self) -> float:
        return max(self.waited)


async def load(served: Served, *, writes: int, clients: int, prefix: str) -> Load:
    """Send writes over as many connections as there are clients."""
    seen, chance = Load(), random.Random(prefix)
    left = iter(range(writes))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for _ in left:
            if chance.random() < 0.2:
                line = f"PATCH /api/runs/{ACTIVE_RUN_ID}"
                value: dict[str, object] = {"summary": {"n": chance.randrange(100)}}
            else:
                line, value = "POST /api/lots", {"lot_code": f"{prefix}-{chance.randrange(writes // 3)}"}
            body = json.dumps(value).encode()
            head = f"{line} HTTP/1.1\r\nHost: trial\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
            begun = perf_counter()
            writer.write(head.encode() + b"\r\n\r\n" + body)
            status = await _answer(reader)
            seen.waited.append(perf_counter() - begun)
            seen.statuses[f"{line.split()[0]} {status}"] += 1
            seen.created += status == 201
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return seen


async def _answer(reader: asyncio.StreamReader) -> int:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head[9:12])


async def trial(legacy: str, url: str, *, writes: int, clients: int) -> list[str]:
    """Run both loads and say what is wrong."""
    async with both(legacy, stage=Stage.LEGACY) as served:
        plain = await load(served, writes=max(writes // 10, 100), clients=clients, prefix="plain")
    counters.clear()
    async with AsyncExitStack() as parts:
        more = {"rehearsal_s": BUDGET_S, "rehearsals_at_once": AT_ONCE * clients, "queue": writes}
        served = await parts.enter_async_context(both(legacy, **more))  # type: ignore[arg-type] # by name
        shadowed = await load(served, writes=writes, clients=clients, prefix="shadow")
        await settled(served)
        outcomes = Counter(str(found.verdict.outcome) for found in served.kept.findings)
        wrong = [found.verdict for found in served.kept.findings if found.verdict.outcome is Outcome.MISMATCHED]
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT count(*) FROM lots WHERE lot_code LIKE 'shadow-%'").fetchone()
        dead = connection.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        ).fetchone()
    most_s = BUDGET_S + plain.longest + SCHEDULING_S
    said = {
        "answers": dict(shadowed.statuses),
        "compared": dict(outcomes),
        "not rehearsed": {name: count for name, count in counters.items() if name.startswith("shadow_dropped")},
        "given up": {name: count for name, count in counters.items() if name.startswith("rehearsal_abandoned")},
        "rows": (rows, shadowed.created),
        "longest wait without and with rehearsals, in ms": (plain.longest * 1000, shadowed.longest * 1000),
    }
    print(json.dumps(said, indent=2))
    problems = [f"a race was taken for a mismatch: {verdict}" for verdict in wrong[:5]]
    if rows != (shadowed.created,):
        problems.append(f"{rows} rows are there, clients were told of {shadowed.created}")
    if dead != (0,):
        problems.append(f"deadlocks: {dead}")
    if shadowed.longest > most_s:
        problems.append(f"a client waited {shadowed.longest:.3f} s, more than {most_s:.3f} s")
    return problems


def run(*, writes: int = 10_000, clients: int = 8) -> int:
    """Make the parts, run the trial, take them down; 0 when all was as wanted."""
    server = start_postgres()
    try:
        url = create_database(server)
        prepared(url)
        size = str(AT_ONCE * clients + 2)
        os.environ |= {"SERVICES_DATABASE_URL": url, "SUPABASE_JWT_SECRET": SECRET, "SERVICES_POOL_SIZE": size}
        process, legacy = start_legacy(url)
        try:
            problems = asyncio.run(trial(legacy, url, writes=writes, clients=clients))
        finally:
            stop_legacy(process)
    finally:
        server.cleanup()
    print("\n".join(problems) or "nothing is left, and nothing is wrong")
    return 1 if problems else 0


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writes", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=8)
    asked = parser.parse_args()
    return run(writes=asked.writes, clients=asked.clients)


if __name__ == "__main__":
    sys.exit(main())
