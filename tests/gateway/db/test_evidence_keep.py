"""Evidence stays within its days and bytes, and comes back when somebody has dropped its tables."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.db import evidence_keep
from gateway.db.engine import DatabaseDown
from gateway.db.evidence import EvidenceStore
from gateway.db.evidence_keep import Bounds, Keeper
from gateway.diff.verdict import Kind, Mismatch, Outcome, Verdict
from gateway.shadow.finding import AskedRequest
from tests.gateway.db.test_evidence import ROUTE, differing, finding

TABLES = ("verdict_minutes", "mismatch_clusters", "findings", "exemplars", "rule_hits", "strata")


@pytest.fixture
def store(engine: AsyncEngine) -> EvidenceStore:
    return EvidenceStore(engine)


def keeper(engine: AsyncEngine, **bounds: int) -> Keeper:
    """A keeper with these bounds, the usual ones beside."""
    return Keeper(engine, replace(Bounds(), **bounds))


def rows(database: str) -> dict[str, int]:
    """How many rows each table has."""
    with psycopg.connect(database) as connection:
        counted = {each: connection.execute(f'SELECT count(*) FROM gateway."{each}"'.encode()) for each in TABLES}
        return {each: int(cursor.fetchall()[0][0]) for each, cursor in counted.items()}


def age(database: str, days: int) -> None:
    """Make everything that is there so many days older."""
    moments = {
        "verdict_minutes": ["minute"],
        "mismatch_clusters": ["first_seen", "last_seen"],
        "findings": ["stored_at"],
        "rule_hits": ["first_hit", "last_hit"],
        "strata": ["first_seen", "last_seen"],
    }
    with psycopg.connect(database) as connection:
        for table, columns in moments.items():
            changes = ", ".join(f"{each} = {each} - interval '{days} days'" for each in columns)
            connection.execute(f"UPDATE gateway.{table} SET {changes}".encode())


async def test_what_is_older_than_its_days_goes(store: EvidenceStore, engine: AsyncEngine, database: str) -> None:
    """Every table forgets what is too old, and nothing else."""
    await store.store([differing("body/old", rules_hit=("old",), route="old")])
    age(database, days=8)
    await store.store([differing("body/new", rules_hit=("new",))])
    await keeper(engine, days=7).look_after()
    assert rows(database) == dict.fromkeys(TABLES, 1)
    assert [each.place for each in await store.clusters(ROUTE)] == ["body/new"]


async def test_a_cluster_that_is_still_seen_keeps_its_count(
    store: EvidenceStore, engine: AsyncEngine, database: str
) -> None:
    """Age is by when it was last seen; only its old examples go."""
    await store.store([differing("body/a", request_id="old")])
    age(database, days=8)
    await store.store([differing("body/a", request_id="new")])
    await keeper(engine, days=7).look_after()
    (cluster,) = await store.clusters(ROUTE)
    assert (cluster.count, [each.finding.request_id for each in cluster.exemplars]) == (2, ["new"])


async def test_a_route_that_has_too_much_loses_its_oldest_examples(
    store: EvidenceStore, engine: AsyncEngine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The size is bounded by route; others keep theirs, and the counts stay."""
    monkeypatch.setattr(evidence_keep, "SOME", 1)
    large = AskedRequest((), "x" * 16_000, "", "")
    for name in ("a", "b", "c", "d", "e", "f"):
        await store.store([differing(f"body/{name}", request=large, request_id=name)])
    await store.store([differing("body/a", route="quiet")])
    await keeper(engine, route_bytes=64 * 1024).look_after()
    assert [each.request_id for each in await store.mismatches(ROUTE)] == ["f", "e", "d"]
    assert len(await store.mismatches("quiet")) == 1
    assert len(await store.clusters(ROUTE)) == 6
    assert rows(database)["exemplars"] == 4


async def test_all_routes_together_are_bounded(
    store: EvidenceStore, engine: AsyncEngine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too much in all is taken from the route that has most."""
    monkeypatch.setattr(evidence_keep, "SOME", 1)
    large = AskedRequest((), "x" * 16_000, "", "")
    for route, number in (("much", 6), ("little", 1)):
        for name in ("a", "b", "c", "d", "e", "f")[:number]:
            await store.store([differing(f"body/{name}", request=large, route=route)])
    await keeper(engine, all_bytes=64 * 1024).look_after()
    assert (len(await store.mismatches("much")), len(await store.mismatches("little"))) == (2, 1)


async def test_minutes_go_too_when_nothing_else_is_left_to_give(
    store: EvidenceStore, engine: AsyncEngine, database: str
) -> None:
    """A route of many minutes and no mismatch is bounded as well, oldest minutes first."""
    await store.store([finding(Outcome.MATCHED, revision=str(number), stratum=None) for number in range(700)])
    await keeper(engine, route_bytes=64 * 1024).look_after()
    assert 0 < rows(database)["verdict_minutes"] <= 64


async def test_storing_goes_on_while_it_is_kept(store: EvidenceStore, engine: AsyncEngine, database: str) -> None:
    """Deleting and adding at once: no deadlock, no batch lost."""

    async def add() -> None:
        for _ in range(30):
            await store.store([differing("body/a", rules_hit=("r",))])

    async def keep() -> None:
        for _ in range(10):
            await keeper(engine, route_bytes=1).look_after()

    await asyncio.gather(add(), add(), keep(), keep())
    await store.store([differing("body/a")])
    assert (await store.clusters(ROUTE))[0].count >= 1


async def test_dropped_tables_come_back(store: EvidenceStore, engine: AsyncEngine, database: str) -> None:
    """Without its tables a batch is a failure of the database's; the next round of the keeper makes them anew."""
    with psycopg.connect(database) as connection:
        connection.execute("DROP TABLE gateway.verdict_minutes, gateway.findings")
    with pytest.raises(DatabaseDown):
        await store.store([finding()])
    await keeper(engine).look_after()
    await store.store([finding()])
    assert await store.summary(ROUTE) == {Outcome.MISMATCHED: 1}


async def test_a_future_minute_is_no_reason_to_fail(store: EvidenceStore, engine: AsyncEngine, database: str) -> None:
    """The database's clock may have been set back: what it then calls the future stays until its time has come."""
    verdict = Verdict(Outcome.MISMATCHED, (Mismatch(Kind.VALUE, "body/a", "1", "2"),))
    await store.store([finding(verdict=verdict)])
    age(database, days=-400)
    await keeper(engine).look_after()
    await store.store([finding(verdict=verdict)])
    (cluster,) = await store.clusters(ROUTE, since=timedelta(minutes=1))
    assert (cluster.count, cluster.first_seen <= cluster.last_seen) == (2, True)
