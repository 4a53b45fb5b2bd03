"""Evidence: counted by revision and minute, clustered with examples, bounded, and never lost to one odd answer."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.db import evidence_room, evidence_tally
from gateway.db.engine import DatabaseDown, make_engine
from gateway.db.evidence import EvidenceStore
from gateway.diff.verdict import Allowance, Kind, Mismatch, Outcome, Verdict
from gateway.message import Side
from gateway.rollout.evidence import Histogram, Stratum
from gateway.rollout.gate import Answer, judge
from gateway.routing.route import Terms
from gateway.shadow.finding import AskedRequest, Finding, sealed

ROUTE = "lots.list"
AT = datetime(2026, 7, 1, 12, 30, 45, tzinfo=UTC)
MISMATCH = Mismatch(Kind.VALUE, "body/0/weight_kg", '"12.5"', "12.5")
STATUS = Mismatch(Kind.STATUS, "status", "200", "500")
READ = Stratum("GET", 2, ("page",), (), "ADMIN", "")


@pytest.fixture
def store(engine: AsyncEngine) -> EvidenceStore:
    return EvidenceStore(engine)


def finding(outcome: Outcome = Outcome.MISMATCHED, **more: object) -> Finding:
    mismatches = (MISMATCH,) if outcome is Outcome.MISMATCHED else ()
    one = Finding(
        route=ROUTE,
        request_id="r1",
        at=AT,
        method="GET",
        target="/api/lots?page=1",
        stage="shadow",
        flag_version=3,
        authoritative=Side.LEGACY,
        control_status=200,
        candidate_status=200,
        control_ms=1.5,
        candidate_ms=2.5,
        verdict=Verdict(outcome, mismatches),
        revision="one",
        stratum=READ,
    )
    return replace(one, **more)  # type: ignore[arg-type] # test data


def differing(*places: str, **more: Any) -> Finding:
    """A request that differed at these places."""
    found = tuple(Mismatch(Kind.VALUE, place, "1", "2") for place in places)
    return finding(verdict=Verdict(Outcome.MISMATCHED, found), **more)


async def test_mismatch_comes_back_with_everything_needed_to_look_into_it(store: EvidenceStore) -> None:
    """An example has its request, both statuses and times, and both values where they differ."""
    asked = AskedRequest((("accept", "*/*"),), '{"a":1}', "", "ADMIN")
    await store.store([finding(request=asked)])
    (cluster,) = await store.clusters(ROUTE)
    (exemplar,) = cluster.exemplars
    found = exemplar.finding
    assert (cluster.place, cluster.kind, cluster.count, cluster.revision) == ("body/*/weight_kg", "value", 1, "one")
    assert (exemplar.where, exemplar.control, exemplar.candidate) == ("body/0/weight_kg", '"12.5"', "12.5")
    assert (found.request_id, found.at, found.method, found.target) == ("r1", AT, "GET", "/api/lots?page=1")
    assert (found.control_status, found.candidate_status, found.control_ms, found.candidate_ms) == (200, 200, 1.5, 2.5)
    assert (found.stage, found.flag_version, found.authoritative) == ("shadow", 3, Side.LEGACY)
    assert (found.outcome, found.mismatches, found.request) == (Outcome.MISMATCHED, (MISMATCH,), asked)


async def test_outcomes_are_counted_apart_and_only_two_are_kept_whole(store: EvidenceStore) -> None:
    """Every outcome is counted under its own name; matched, allowed and noisy answers leave only a count."""
    await store.store([finding(outcome) for outcome in Outcome] + [finding(Outcome.MATCHED)])
    assert await store.summary(ROUTE) == {
        Outcome.MATCHED: 2,
        Outcome.ALLOWED: 1,
        Outcome.MISMATCHED: 1,
        Outcome.NOISE: 1,
        Outcome.NOT_COMPARABLE: 1,
    }
    assert {each.outcome for each in await store.mismatches(ROUTE)} == {Outcome.NOT_COMPARABLE, Outcome.MISMATCHED}


async def test_the_gate_is_told_of_one_revision_only(store: EvidenceStore) -> None:
    """Counts, errors, times and strata are those since the route's rules and its new side last changed."""
    crashed = replace(finding(candidate_status=500), verdict=Verdict(Outcome.MISMATCHED, (STATUS,)))
    silent = replace(finding(candidate_status=None), verdict=Verdict(Outcome.MISMATCHED, (STATUS,)))
    unread = finding(Outcome.NOT_COMPARABLE, stratum=replace(READ, role="OPERATOR"))
    await store.store([finding(Outcome.MATCHED, revision="old"), finding(Outcome.MATCHED), crashed])
    await store.store([finding(Outcome.MATCHED, control_ms=3000.0), silent, unread])
    told = await store.for_gate(ROUTE, "one")
    assert (told.route, told.revision, told.matched, told.mismatched, told.not_comparable) == (ROUTE, "one", 2, 2, 1)
    assert (told.class_disagreements, told.candidate_errors, told.control_errors) == (1, 2, 0)
    assert told.control_ms == Histogram.of([1.5, 1.5, 1.5, 1.5, 3000.0])
    assert told.candidate_ms == Histogram.of([2.5] * 4)
    assert told.served == {READ, replace(READ, role="OPERATOR")}
    assert told.compared == {READ}
    assert told.since is not None
    before = await store.for_gate(ROUTE, "one", told.since - timedelta(seconds=1))
    assert before.matched == told.matched
    within = await store.for_gate(ROUTE, "one", told.since + timedelta(seconds=59))
    assert (within.matched, within.control_ms.total) == (
        0,
        0,
    )  # the minute of a rollback is what the route was taken back for
    later = await store.for_gate(ROUTE, "one", told.since + timedelta(days=1))
    assert (later.matched, later.control_ms.total) == (0, 0)


async def test_what_legacy_served_and_nobody_compared_is_known_to_the_gate(store: EvidenceStore) -> None:
    """It is served, not compared, and makes no sample; the gate waits for it and names it."""
    await store.store([finding(Outcome.MATCHED)])
    admin = replace(READ, role="admin")
    await store.store_served({(ROUTE, "one", admin): 3, (ROUTE, "one", READ): 1, (ROUTE, "old", READ): 1})
    await store.store_served({(ROUTE, "one", admin): 2})
    told = await store.for_gate(ROUTE, "one")
    assert told.served == {READ, admin}
    assert told.compared == {READ}
    assert told.matched == 1
    assert {each.stratum: each.served for each in await store.strata(ROUTE, "one")} == {READ: 2, admin: 5}
    (coverage,) = [each for each in judge(told, Terms()).reasons if each.code == "coverage"]
    assert coverage.answer is Answer.INCONCLUSIVE
    assert str(admin) in coverage.sentence


async def test_a_request_that_both_sides_failed_is_an_error_of_both(store: EvidenceStore) -> None:
    """Neither answered: to count legacy's silence alone would make the new side look the better one."""
    await store.store([finding(Outcome.NOT_COMPARABLE, control_status=None, candidate_status=None)])
    told = await store.for_gate(ROUTE, "one")
    assert (told.candidate_errors, told.control_errors) == (1, 1)


async def test_a_broken_answer_is_told_to_the_gate_beside_what_was_not_comparable(store: EvidenceStore) -> None:
    """Legacy's could be read and the new side's could not: that is no draw."""
    broken = Verdict(Outcome.NOT_COMPARABLE, reason="new: the body is not JSON", broken=True)
    larger = Verdict(Outcome.NOT_COMPARABLE, reason="new: the body is longer than what is kept of one")
    await store.store([finding(verdict=broken), finding(verdict=larger)])
    told = await store.for_gate(ROUTE, "one")
    assert (told.not_comparable, told.broken, told.mismatched) == (2, 1, 0)


async def test_a_sealed_finding_counts_and_shows_what_an_open_one_does(store: EvidenceStore) -> None:
    """What another process has found is stored as what this one has."""
    one = differing("body/0/kg", "body/1/kg", "body/name", request=AskedRequest(), rules_hit=("rule",))
    await store.store([one])
    await store.store([sealed(one)])
    clusters = await store.clusters(ROUTE)
    assert {each.place: each.count for each in clusters} == {"body/*/kg": 2, "body/name": 2}
    for cluster in clusters:
        shown = [(each.where, each.control, replace(each.finding, id=0)) for each in cluster.exemplars]
        assert len(shown) == 2
        assert shown[0] == shown[1]
    told = await store.for_gate(ROUTE, "one")
    assert (told.mismatched, told.control_ms, told.compared) == (2, Histogram.of([1.5, 1.5]), frozenset({READ}))
    assert (await store.rule_hits(ROUTE))["rule"].count == 2


async def test_a_sealed_finding_that_is_no_example_is_never_opened(store: EvidenceStore) -> None:
    """A hundred alike are counted by what is at hand: only the last five can be read here, and are."""
    one = sealed(differing("body/kg"))
    await store.store([one._replace(whole=b"unreadable")] * 95 + [one._replace(request_id=f"r{n}") for n in range(5)])
    (cluster,) = await store.clusters(ROUTE)
    assert (cluster.count, len(cluster.exemplars)) == (100, 5)


async def test_nothing_is_known_of_a_revision_nobody_compared(store: EvidenceStore) -> None:
    """A new revision begins at zero."""
    told = await store.for_gate(ROUTE, "two")
    assert (told.matched, told.since, told.served, told.control_ms.total) == (0, None, frozenset(), 0)


async def test_a_mismatch_of_status_that_a_rule_allows_is_no_disagreement(store: EvidenceStore) -> None:
    """What somebody has explained and signed does not keep the route where it is."""
    verdict = Verdict(Outcome.ALLOWED, (), (Allowance(STATUS, "why", "file:1"),))
    await store.store([finding(candidate_status=404, verdict=verdict)])
    assert (await store.for_gate(ROUTE, "one")).class_disagreements == 0


async def test_a_place_has_one_cluster_whatever_the_positions_and_ids_in_it(store: EvidenceStore) -> None:
    """Positions, ids and secrets that were hidden in a place do not make it another one."""
    uuid = "967f2124-1c2d-4540-b81b-656863e79acf"
    await store.store([differing("body/0/kg", "body/7/kg", f"body/{uuid}/kg", "body/(hidden-0123456789ab)/kg")])
    await store.store([differing("body/3/kg")])
    assert [(each.place, each.count) for each in await store.clusters(ROUTE)] == [("body/*/kg", 2)]


async def test_a_cluster_keeps_five_examples_and_the_newest_is_one(store: EvidenceStore) -> None:
    """Examples give way to newer ones, and what is nobody's example any more is gone."""
    for batch in range(8):
        await store.store([differing("body/a", request_id=f"r{batch}.{n}") for n in range(3)])
    (cluster,) = await store.clusters(ROUTE)
    kept = [each.finding.request_id for each in cluster.exemplars]
    assert (cluster.count, len(kept), kept[0]) == (24, evidence_tally.EXAMPLES, "r7.2")
    assert [each.request_id for each in await store.mismatches(ROUTE)] == kept


async def test_ten_thousand_distinct_mismatches_stay_bounded(store: EvidenceStore, database: str) -> None:
    """Places beyond what a route may have are counted in one cluster, and the known ones go on being counted."""
    await store.store([differing("body/zebra")])
    for start in range(0, 10_000, 1_000):
        places = [f"body/{word}" for word in _words(start, 1_000)]
        await store.store([differing(*places[at : at + 100], "body/zebra") for at in range(0, 1_000, 100)])
    clusters = {each.place: each.count for each in await store.clusters(ROUTE, limit=10_000)}
    assert len(clusters) == evidence_room.CLUSTERS + 1
    assert clusters["body/zebra"] == 101
    assert sum(clusters.values()) == 10_000 + 101
    with psycopg.connect(database) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM gateway.findings").fetchall()
    assert count <= 5 * len(clusters)


async def test_a_batch_that_names_fifty_thousand_places_is_stored(store: EvidenceStore) -> None:
    """It was lost, for to look each of them up took longer than the database is waited for."""
    words = _words(0, 50_000)
    await store.store([differing("body/zebra")])
    await store.store([differing(*(f"body/{word}" for word in words[at::500])) for at in range(500)])
    clusters = {each.place: each.count for each in await store.clusters(ROUTE, limit=10_000)}
    assert len(clusters) == evidence_room.CLUSTERS + 1
    assert sum(clusters.values()) == 50_000 + 1


async def test_processes_together_make_no_more_clusters_than_one(store: EvidenceStore) -> None:
    """Four writers at once, each with other places: the bound holds, and nothing is lost of the count."""
    batches = [[differing(*(f"body/{word}" for word in _words(n * 300, 300)))] for n in range(4)]
    await asyncio.gather(*(store.store(batch) for batch in batches))
    clusters = await store.clusters(ROUTE, limit=10_000)
    assert len(clusters) == evidence_room.CLUSTERS + 1
    assert sum(each.count for each in clusters) == 1_200


async def test_strata_of_a_route_are_bounded(store: EvidenceStore) -> None:
    """A caller who invents parameters fills one row with the rest, which is served and compared as any other."""
    names = _words(0, 700)
    strata = [replace(READ, query_keys=(name,)) for name in names]
    await store.store([finding(Outcome.MATCHED, stratum=stratum) for stratum in strata])
    told = await store.for_gate(ROUTE, "one")
    assert len(told.served) == evidence_room.STRATA + 1
    assert told.served == told.compared


async def test_noise_is_a_profile_by_place_without_examples(store: EvidenceStore) -> None:
    """Where legacy disagrees with itself is counted by place; it is not among the mismatches."""
    at = Mismatch(Kind.VALUE, "body/at", "1", "2")
    await store.store([finding(verdict=Verdict(Outcome.NOISE, noise=(at,))), differing("body/kg")])
    await store.store([finding(verdict=Verdict(Outcome.MISMATCHED, (MISMATCH,), noise=(at,)))])
    (noise,) = [each for each in await store.clusters(ROUTE) if each.outcome is Outcome.NOISE]
    assert (noise.place, noise.count, noise.exemplars) == ("body/at", 2, ())


async def test_failed_side_is_kept_with_its_reason(store: EvidenceStore) -> None:
    """A side that gave no answer has no status, and the failure's code is the reason, which is the cluster's place."""
    verdict = Verdict(Outcome.NOT_COMPARABLE, reason="legacy_timeout")
    await store.store([finding(verdict=verdict, control_status=None)])
    (cluster,) = await store.clusters(ROUTE)
    assert (cluster.outcome, cluster.place, cluster.kind) == (
        Outcome.NOT_COMPARABLE,
        "legacy_timeout",
        "not_comparable",
    )
    (found,) = await store.mismatches(ROUTE)
    assert (found.control_status, found.reason, found.mismatches) == (None, "legacy_timeout", ())


async def test_broken_answers_are_one_cluster_wherever_each_breaks(store: EvidenceStore) -> None:
    """A place each would take the room of what really differs."""
    reasons = [
        reason
        for at in range(600)
        for reason in (
            f"new: line {at}: the body is not JSON: Expecting value at character {at}",
            f"legacy: the body repeats the key 'k{at}' in one object",
        )
    ]
    broken = [replace(finding(), verdict=Verdict(Outcome.NOT_COMPARABLE, reason=reason)) for reason in reasons]
    await store.store(broken)
    places = {cluster.place: cluster.count for cluster in await store.clusters(ROUTE)}
    assert places == {
        "new: line *: the body is not JSON: Expecting value at character *": 600,
        "legacy: the body repeats the key * in one object": 600,
    }


async def test_rules_are_counted_by_request(store: EvidenceStore) -> None:
    """A rule's hits say how many requests it allowed something of, and when."""
    await store.store([finding(Outcome.ALLOWED, rules_hit=("r1", "r2")), finding(Outcome.ALLOWED, rules_hit=("r1",))])
    await store.store([finding(Outcome.ALLOWED, rules_hit=("r1",))])
    hits = await store.rule_hits(ROUTE)
    assert {rule: hit.count for rule, hit in hits.items()} == {"r1": 3, "r2": 1}
    assert hits["r1"].first_hit < hits["r1"].last_hit


async def test_clusters_of_the_last_hour_are_those_seen_in_it(store: EvidenceStore, database: str) -> None:
    """What was last seen before is left out, by the database's clock."""
    await store.store([differing("body/old"), differing("body/new")])
    with psycopg.connect(database) as connection:
        connection.execute(
            "UPDATE gateway.mismatch_clusters SET last_seen = now() - '2 h'::interval WHERE place = 'body/old'"
        )
    assert [each.place for each in await store.clusters(ROUTE, since=timedelta(hours=1))] == ["body/new"]


@pytest.mark.parametrize("at", [datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)])
async def test_a_gateway_whose_clock_has_jumped_does_no_harm(store: EvidenceStore, at: datetime) -> None:
    """Minutes, first and last times are the database's; a gateway's own time is only shown."""
    await store.store([finding(at=at), finding()])
    told = await store.for_gate(ROUTE, "one", datetime.now(UTC) - timedelta(minutes=5))
    (cluster,) = await store.clusters(ROUTE, since=timedelta(minutes=5))
    assert (told.mismatched, cluster.count) == (2, 2)


async def test_odd_texts_do_not_lose_the_batch(store: EvidenceStore) -> None:
    """NUL, lone surrogates, endless values and a thousand differences are stored in a form the database takes."""
    odd = Mismatch(Kind.EXTRA, "body/\0\ud800", "\0" * 10, "x" * 100_000)
    verdict = Verdict(Outcome.MISMATCHED, (odd,) * 1_000, (Allowance(odd, "why", "file:1"),), reason="\ud800")
    asked = AskedRequest((("x-\0", "\ud800"),), "\0\ud800", "", "\0")
    await store.store([finding(target="/\0?\udcff", verdict=verdict, request=asked), finding(request_id="after")])
    found = next(each for each in await store.mismatches(ROUTE) if each.request_id == "r1")
    assert len(await store.mismatches(ROUTE)) == 2
    assert found.target == "/\N{REPLACEMENT CHARACTER}??"
    assert len(found.mismatches) == evidence_tally.DIFFERENCES
    assert found.mismatches[0].candidate == "x" * evidence_tally.TEXT
    assert found.request is not None
    assert found.request.body == "\N{REPLACEMENT CHARACTER}?"


async def test_processes_store_the_same_minutes_together(store: EvidenceStore) -> None:
    """Four batches at once, over the same routes in different orders, add up."""
    routes = [f"route{n}" for n in range(5)]
    batch = [finding(route=route, rules_hit=(f"r{n}",)) for route in routes for n in range(4)]
    await asyncio.gather(*(store.store(batch if n % 2 else batch[::-1]) for n in range(4)))
    assert [await store.summary(route) for route in routes] == [{Outcome.MISMATCHED: 16}] * 5
    assert [sum(hit.count for hit in (await store.rule_hits(route)).values()) for route in routes] == [16] * 5


async def test_processes_hide_secrets_with_one_key(engine: AsyncEngine) -> None:
    """The first makes the installation's key, the others take it; a key of the settings goes before it."""
    stores = [EvidenceStore(engine) for _ in range(4)]
    await asyncio.gather(*(each.load_key() for each in stores))
    assert len({each.mask("s3cret") for each in stores}) == 1
    own = EvidenceStore(engine, key=b"k" * 32)
    await own.load_key()
    assert own.mask("s3cret") not in (stores[0].mask("s3cret"), "s3cret")


async def test_database_down_is_a_connection_error() -> None:
    """The sink's promise: ConnectionError when the store cannot be reached."""
    engine = make_engine("postgresql:///x?host=/nowhere")
    with pytest.raises(DatabaseDown) as raised:
        await EvidenceStore(engine).store([finding()])
    assert isinstance(raised.value, ConnectionError)
    await engine.dispose()


async def test_a_locked_table_is_a_slow_store_and_no_dead_one(store: EvidenceStore, database: str) -> None:
    """Whoever looks at what was dropped looks for a lock then, and not for a server."""
    with psycopg.connect(database) as connection:
        connection.execute("LOCK TABLE gateway.findings IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(TimeoutError) as raised:
            await store.store([finding()])
    assert isinstance(raised.value, DatabaseDown)
    await store.store([finding()])
    assert await store.summary(ROUTE) == {Outcome.MISMATCHED: 1}


@pytest.mark.parametrize(
    "table", ["verdict_minutes", "mismatch_clusters", "findings", "exemplars", "rule_hits", "strata"]
)
async def test_a_table_emptied_under_load_loses_no_batch_after_it(
    store: EvidenceStore, database: str, table: str
) -> None:
    """Tables may be truncated at any moment; what comes after is counted."""

    async def load() -> None:
        for _ in range(20):
            await store.store([differing("body/a", rules_hit=("r1",)) for _ in range(5)])

    def empty() -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            for _ in range(5):
                connection.execute(f'TRUNCATE gateway."{table}"'.encode())

    await asyncio.gather(load(), load(), asyncio.to_thread(empty))
    before = (await store.summary(ROUTE)).get(Outcome.MISMATCHED, 0)
    await store.store([differing("body/a")])
    assert (await store.summary(ROUTE))[Outcome.MISMATCHED] == before + 1
    assert [each.place for each in await store.clusters(ROUTE)] == ["body/a"]


def _words(start: int, count: int) -> list[str]:
    """Names that nothing takes for an id."""
    letters = "abcdefghij"
    return ["field_" + "".join(letters[int(digit)] for digit in str(n)) for n in range(start, start + count)]
