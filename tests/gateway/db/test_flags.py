"""The flag store on a real PostgreSQL: atomic, guarded by versions, with a history nobody can rewrite."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import psycopg
import pytest
from psycopg import errors

from gateway.db.engine import DatabaseDown, make_engine
from gateway.db.flags import FlagStore, LostRace, Setting, Unchanged
from gateway.rollout.flag import Change, Flag, Flipped, Refused
from gateway.rollout.stage import Move, Stage

from .fixtures import Mortal

ROUTE = "lots.create"


async def flip(store: FlagStore, stage: Stage, expected: int | None = None, **more: object) -> Flag:
    outcome = await store.change(ROUTE, Change(stage, **more), by="tester", expected=expected)  # type: ignore[arg-type] # test data
    assert isinstance(outcome, Flipped)
    return outcome.flag


async def test_route_nobody_touched_has_no_row(store: FlagStore) -> None:
    """A fresh database holds no flag, so every route has the default one."""
    assert await store.load() == {}


async def test_flip_is_loaded_with_its_version_reason_and_author(store: FlagStore) -> None:
    """What was flipped is what every process loads."""
    flag = await flip(store, Stage.SHADOW, expected=0, sample=2_500, reason="first look")
    assert await store.load() == {ROUTE: flag}
    assert flag == Flag(ROUTE, Stage.SHADOW, 0, 2_500, version=1, set_by="tester", reason="first look")


async def test_stale_version_loses_and_learns_the_current_flag(store: FlagStore) -> None:
    """A change that expects a version that has passed changes nothing and is told what is current."""
    current = await flip(store, Stage.SHADOW)
    outcome = await store.change(ROUTE, Change(Stage.CANARY), by="late", expected=0)
    assert outcome == LostRace(current)
    assert await store.load() == {ROUTE: current}


async def test_refused_transition_leaves_neither_row_nor_history(store: FlagStore) -> None:
    """A refused first change leaves the database as it was, without even a row for the route."""
    outcome = await store.change(ROUTE, Change(Stage.NEW), by="tester", expected=None)
    assert isinstance(outcome, Refused)
    assert outcome.code == "bad_transition"
    assert await store.load() == {}
    assert await store.history(ROUTE) == []


async def test_fifty_flippers_one_winner_per_version(store: FlagStore) -> None:
    """Of 50 concurrent changes that expect the same version exactly one is made, in each of three rounds."""
    for version in range(3):
        outcomes = await asyncio.gather(
            *(
                store.change(ROUTE, Change(Stage.SHADOW, sample=100 * version + n), by=f"flipper {n}", expected=version)
                for n in range(50)
            )
        )
        winners = [outcome for outcome in outcomes if isinstance(outcome, Flipped)]
        assert len(winners) == 1
        losers = [outcome for outcome in outcomes if isinstance(outcome, LostRace)]
        assert [loser.current for loser in losers] == [winners[0].flag] * 49
    assert [change.after.version for change in await store.history(ROUTE)] == [3, 2, 1]


async def test_fifty_flippers_without_expectation_all_count(store: FlagStore) -> None:
    """Changes that accept whatever is current queue up; each becomes one version and one line of history."""
    await asyncio.gather(
        *(store.change(ROUTE, Change(Stage.SHADOW, sample=n), by="x", expected=None) for n in range(50))
    )
    history = await store.history(ROUTE, limit=100)
    assert [change.after.version for change in history] == list(range(50, 0, -1))
    assert all(newer.before == older.after for newer, older in pairwise(history))


async def test_a_flip_to_what_is_already_changes_nothing(store: FlagStore) -> None:
    """No version and no line of history; a reason is something to say, and a lost race is one all the same."""
    flag = await flip(store, Stage.SHADOW, sample=500, reason="look")
    for change in (Change(Stage.SHADOW), Change(Stage.SHADOW, sample=500), Change(Stage.SHADOW, reason="look")):
        assert await store.change(ROUTE, change, by="x", expected=None) == Unchanged(flag)
        assert await store.change(ROUTE, change, by="x", expected=1) == Unchanged(flag)
        assert await store.change(ROUTE, change, by="x", expected=0) == LostRace(flag)
    assert len(await store.history(ROUTE)) == 1
    for change in (Change(Stage.SHADOW, reason="mended"), Change(Stage.SHADOW, sample=501)):
        assert isinstance(await store.change(ROUTE, change, by="x", expected=None), Flipped)
    assert [one.after.version for one in await store.history(ROUTE)] == [3, 2, 1]


async def test_a_version_that_a_backup_has_lost_is_written_anew(store: FlagStore) -> None:
    """The database has an older one: to flip to what is in force here tells everybody."""
    in_force = replace(await flip(store, Stage.SHADOW), version=7)
    outcome = await store.change(ROUTE, Change(Stage.SHADOW), by="x", expected=None, in_force=in_force)
    assert isinstance(outcome, Flipped)
    assert outcome.flag.version == 8


async def test_history_says_who_when_why_and_both_versions(store: FlagStore) -> None:
    """A line of history has the author, the time, the reason, the move and both settings."""
    await flip(store, Stage.SHADOW, reason="look")
    await flip(store, Stage.NEW, reason="hurry", force=True)
    newest, oldest = await store.history(ROUTE)
    assert (newest.move, newest.forced, newest.by, newest.reason) == (Move.SKIP, True, "tester", "hurry")
    assert newest.before == Setting(Stage.SHADOW, 0, 10_000, 1)
    assert newest.after == Setting(Stage.NEW, 0, 10_000, 2)
    assert (oldest.move, oldest.forced, oldest.before.version) == (Move.PROMOTE, False, 0)
    assert oldest.at < newest.at


async def test_history_is_read_in_pages(store: FlagStore) -> None:
    """`before` continues where the last page ended, and other routes do not show up."""
    for sample in range(3):
        await flip(store, Stage.SHADOW, sample=sample)
        await store.change("other", Change(Stage.SHADOW), by="tester", expected=None)
    first = await store.history(ROUTE, limit=2)
    rest = await store.history(ROUTE, limit=2, before=first[-1].id)
    assert [change.after.version for change in first + rest] == [3, 2, 1]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE gateway.flag_changes SET by = 'nobody'",
        "DELETE FROM gateway.flag_changes",
        "TRUNCATE gateway.flag_changes",
    ],
)
async def test_history_cannot_be_rewritten(store: FlagStore, database: str, statement: str) -> None:
    """The database itself refuses to change, delete or empty the history, whoever asks."""
    await flip(store, Stage.SHADOW)
    with psycopg.connect(database) as connection, pytest.raises(errors.RestrictViolation):
        connection.execute(statement)
    assert len(await store.history(ROUTE)) == 1


async def test_change_and_notification_arrive_together(store: FlagStore, database: str) -> None:
    """A listener hears of a change exactly when it is committed, and not of one that was refused."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as listener:
        await listener.execute("LISTEN strangler_flags")
        await store.change(ROUTE, Change(Stage.RETIRED), by="tester", expected=None)
        await flip(store, Stage.SHADOW)
        heard = [message.payload async for message in listener.notifies(timeout=5, stop_after=1)]
    assert heard == [f"{ROUTE}:1"]


async def test_rollback_goes_to_legacy_once(store: FlagStore) -> None:
    """A rollback works from any stage and version, and a second one finds nothing to do."""
    await flip(store, Stage.RETIRED, force=True, reason="skip all")
    first = await store.rollback(ROUTE, by="oncall", reason="errors")
    second = await store.rollback(ROUTE, by="oncall", reason="errors")
    assert isinstance(first, Flipped)
    assert (first.flag.stage, first.flag.version, first.move) == (Stage.LEGACY, 2, Move.ROLLBACK)
    assert second == Unchanged(first.flag)
    assert len(await store.history(ROUTE)) == 2


async def test_rollback_of_untouched_route_writes_nothing(store: FlagStore) -> None:
    """A route that never left legacy gets neither a row nor a version from a rollback."""
    assert await store.rollback(ROUTE, by="oncall", reason="") == Unchanged(Flag(ROUTE))
    assert await store.load() == {}


async def test_flip_after_a_restored_backup_outnumbers_what_is_in_force(store: FlagStore) -> None:
    """A change starts from the flag in force when the stored one is older, so no process takes it for old."""
    await flip(store, Stage.SHADOW)
    in_force = Flag(ROUTE, Stage.CANARY, 500, version=7)
    change = Change(Stage.NEW, reason="go on")
    assert await store.change(ROUTE, change, by="x", expected=1, in_force=in_force) == LostRace(in_force)
    outcome = await store.change(ROUTE, change, by="x", expected=7, in_force=in_force)
    assert isinstance(outcome, Flipped)
    assert outcome.flag.version == 8
    newest = (await store.history(ROUTE))[0]
    assert (newest.before.version, newest.after.version) == (7, 8)


async def test_database_without_tables_is_said_in_a_sentence(postgres: str) -> None:
    """A database nobody has migrated is a failure with a sentence, without the driver's text."""
    engine = make_engine(postgres)
    with pytest.raises(
        DatabaseDown, match=r"^the database lacks the gateway's tables; `strangler db upgrade` makes them$"
    ):
        await FlagStore(engine).load()
    await engine.dispose()


async def test_no_server_is_said_in_a_sentence() -> None:
    """A server that is not there is a failure with a sentence, and no address is in it."""
    engine = make_engine("postgresql://u:secret@/x?host=/nowhere")
    with pytest.raises(DatabaseDown, match=r"^the database cannot be reached$"):
        await FlagStore(engine).load()
    await engine.dispose()


async def test_kill_under_load_loses_no_answered_flip(mortal: Mortal) -> None:
    """When PostgreSQL is killed among flips, those that were answered are kept, and flag and history still agree."""
    engine = make_engine(mortal.url)
    store = FlagStore(engine)
    answered: list[int] = []
    busy = asyncio.Event()

    async def keep_flipping(number: int) -> None:
        with suppress(DatabaseDown):
            while True:
                flag = await flip(store, Stage.SHADOW, sample=number)
                answered.append(flag.version)
                if len(answered) == 30:
                    busy.set()

    flippers = [asyncio.create_task(keep_flipping(number)) for number in range(10)]
    await busy.wait()
    mortal.kill()
    await asyncio.wait_for(asyncio.gather(*flippers), 10)
    await asyncio.to_thread(mortal.start)
    history = [change.after.version for change in await store.history(ROUTE, limit=10_000)]
    assert history == list(range(len(history), 0, -1))
    assert set(answered) <= set(history)
    assert (await store.load())[ROUTE].version == history[0]
    await engine.dispose()
