"""How a change reaches this process: by NOTIFY, else by polling, and through whatever happens to PostgreSQL."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.db.engine import make_engine
from gateway.db.flags import FlagStore
from gateway.db.snapshot import SnapshotFile
from gateway.db.watch import FlagWatch
from gateway.rollout.flag import Change, Flag, Flipped
from gateway.rollout.plan import Live, Source
from gateway.rollout.stage import Stage

from .fixtures import Mortal, new_live

ROUTE = "lots.create"


async def until(true: Callable[[], bool], within: float = 10.0) -> float:
    """Wait for something to become true, and say how many seconds it took."""
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < within, "it never happened"
        await asyncio.sleep(0.005)
    return time.monotonic() - start


async def flip(store: FlagStore, stage: Stage = Stage.SHADOW) -> Flag:
    outcome = await store.change(ROUTE, Change(stage, force=True, reason="test"), by="tester", expected=None)
    assert isinstance(outcome, Flipped)
    return outcome.flag


@asynccontextmanager
async def watching(
    url: str, live: Live, folder: Path, poll_s: float = 60.0, answer_s: float = 5
) -> AsyncIterator[FlagStore]:
    """Run a watch; with the default interval nothing arrives by polling."""
    engine = make_engine(url)
    store = FlagStore(engine)
    file = SnapshotFile(folder / "flags.json")
    task = asyncio.create_task(FlagWatch(url, store, live, file, poll_s=poll_s, answer_s=answer_s).run())
    try:
        await until(lambda: live.fresh)
        await listeners(engine, 1)
        yield store
        assert not task.done(), "the watch died"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await engine.dispose()


async def listeners(engine: AsyncEngine, wanted: int) -> None:
    """Wait until so many connections listen."""
    while True:
        async with engine.connect() as connection:
            counted = (
                "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN strangler_flags' "
                "AND datname = current_database()"
            )
            if (await connection.exec_driver_sql(counted)).scalar_one() >= wanted:
                return
        await asyncio.sleep(0.02)


async def test_flip_arrives_by_notification_in_well_under_a_second(database: str, live: Live, tmp_path: Path) -> None:
    """A committed flip is in force in another process in well under a second, without polling."""
    async with watching(database, live, tmp_path) as store:
        flag = await flip(store)
        assert (
            await until(lambda: live.plan.flag(ROUTE) == flag) < 2.5
        )  # nobody polls, and a ping comes after three seconds
        assert live.plan.source is Source.DATABASE


async def test_lost_notification_is_made_up_for_by_polling(database: str, live: Live, tmp_path: Path) -> None:
    """A change nobody was told of is in force after the next poll."""
    async with watching(database, live, tmp_path, poll_s=0.3) as store:
        await flip(store)
        await until(lambda: live.plan.flag(ROUTE).version == 1)
        with psycopg.connect(database) as silent:
            silent.execute("UPDATE gateway.flags SET stage = 'legacy', version = 2")
        assert (
            await until(lambda: live.plan.flag(ROUTE).version == 2) < 2.5
        )  # nobody polls, and a ping comes after three seconds


async def test_duplicated_and_foreign_notifications_change_nothing(database: str, live: Live, tmp_path: Path) -> None:
    """Payloads are not believed: a hundred odd ones lead to what the database says and no new plan."""
    async with watching(database, live, tmp_path) as store:
        flag = await flip(store)
        await until(lambda: live.plan.flag(ROUTE) == flag)
        plan = live.plan
        with psycopg.connect(database, autocommit=True) as noisy:
            for payload in ["", f"{ROUTE}:1", f"{ROUTE}:999", "\u2028'; DROP TABLE x; --"] * 25:
                noisy.execute("SELECT pg_notify('strangler_flags', %s)", [payload])
        await asyncio.sleep(0.3)
        assert live.plan is plan
        assert live.fresh


async def test_lost_listener_is_replaced(database: str, live: Live, tmp_path: Path) -> None:
    """When the server ends the listening connection, a new one hears the next flip."""
    async with watching(database, live, tmp_path) as store:
        with psycopg.connect(database, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(query, 'LISTEN')")
        await asyncio.sleep(0.1)
        await listeners(store._engine, 1)
        flag = await flip(store)
        assert (
            await until(lambda: live.plan.flag(ROUTE) == flag) < 2.5
        )  # nobody polls, and a ping comes after three seconds


async def test_snapshot_follows_every_accepted_load(database: str, live: Live, tmp_path: Path) -> None:
    """The file holds what is in force, soon after it is."""
    async with watching(database, live, tmp_path) as store:
        flag = await flip(store)
        file = SnapshotFile(tmp_path / "flags.json")
        await until(lambda: file.read() == {ROUTE: flag})


async def test_watch_survives_a_disk_without_room(
    database: str, live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs the file and nothing else: flips go on arriving."""

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    async with watching(database, live, tmp_path) as store:
        for stage in (Stage.SHADOW, Stage.NEW):
            flag = await flip(store, stage)
            await until(lambda flag=flag: live.plan.flag(ROUTE) == flag)  # type: ignore[misc] # bound in the loop
        assert live.fresh
        await until(lambda: os.listdir(tmp_path) == [])  # the last try has been given up, too


async def test_restored_backup_is_refused_until_a_flip(database: str, live: Live, tmp_path: Path) -> None:
    """A version that goes back moves nobody and is said; a flip made afterwards, anywhere, ends it."""
    async with watching(database, live, tmp_path, poll_s=0.1) as store:
        for stage in (Stage.SHADOW, Stage.CANARY, Stage.NEW):
            flag = await flip(store, stage)
        await until(lambda: live.plan.flag(ROUTE) == flag)
        with psycopg.connect(database) as backup:
            backup.execute("UPDATE gateway.flags SET stage = 'shadow', canary = 0, version = 1")
            backup.execute("ALTER TABLE gateway.flag_changes DISABLE TRIGGER USER")
            backup.execute("DELETE FROM gateway.flag_changes WHERE version_after > 1")
        await until(lambda: not live.fresh)
        assert f"versions went back in the database: {ROUTE} from 3 to 1;" in live.why_stale
        assert live.plan.flag(ROUTE) == flag
        again = await flip(store, Stage.CANARY)
        assert again.version == 2
        await until(lambda: live.plan.flag(ROUTE) == again)
        await until(lambda: live.fresh)


async def test_restart_accepts_a_restored_backup(store: FlagStore, database: str, live: Live, tmp_path: Path) -> None:
    """A new process takes what the database says, even when the last-known-good file knows newer flags."""
    flag = await flip(store)
    file = SnapshotFile(tmp_path / "flags.json")
    file.keep({ROUTE: Flag(ROUTE, Stage.NEW, version=9)})
    await FlagWatch(database, store, live, file).start()
    assert live.plan.flag(ROUTE) == flag
    assert live.fresh


async def test_start_without_database_uses_the_file(deaf: str, live: Live, tmp_path: Path) -> None:
    """With nobody to ask, the last-known-good flags are in force within two seconds, and called stale."""
    known = {ROUTE: Flag(ROUTE, Stage.CANARY, 500, version=9)}
    SnapshotFile(tmp_path / "flags.json").keep(known)
    took = await start_on(deaf, live, tmp_path)
    assert took < 2.9
    assert (live.plan.flags, live.plan.source, live.fresh) == (known, Source.SNAPSHOT, False)
    assert live.why_stale == "the database did not answer in time"


async def test_start_without_database_and_file_sends_everything_to_legacy(live: Live, tmp_path: Path) -> None:
    """With neither database nor a usable file every route is on legacy, within two seconds."""
    (tmp_path / "flags.json").write_text("torn")
    took = await start_on("postgresql://u@/x?host=/nowhere", live, tmp_path)
    assert took < 2.9
    assert (live.plan.flag(ROUTE).stage, live.plan.source, live.fresh) == (Stage.LEGACY, Source.DEFAULT, False)
    assert live.why_stale == "the database cannot be reached"


@pytest.fixture
def deaf() -> Iterator[str]:
    """A port whose kernel accepts connections, and where nobody ever says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"postgresql://u@127.0.0.1:{server.getsockname()[1]}/x"


async def start_on(url: str, live: Live, folder: Path) -> float:
    engine = make_engine(url)
    begun = time.monotonic()
    await FlagWatch(url, FlagStore(engine), live, SnapshotFile(folder / "flags.json")).start()
    took = time.monotonic() - begun
    await engine.dispose()
    return took


async def test_killed_postgres_leaves_the_plan_and_comes_back_by_itself(mortal: Mortal, tmp_path: Path) -> None:
    """After kill -9 the last good plan stays, is called stale at once, and is fresh within a second of a restart."""
    live = new_live(ROUTE)
    async with watching(mortal.url, live, tmp_path) as store:
        flag = await flip(store)
        await until(lambda: live.plan.flag(ROUTE) == flag)
        mortal.kill()
        assert await until(lambda: not live.fresh) < 2.5  # nobody polls, and a ping comes after three seconds
        assert live.plan.flag(ROUTE) == flag
        assert live.why_stale == "the database cannot be reached"
        await asyncio.to_thread(mortal.start)
        await until(lambda: live.fresh)
        newer = await flip(store, Stage.NEW)
        await until(lambda: live.plan.flag(ROUTE) == newer)


async def test_frozen_postgres_is_noticed_by_polling(mortal: Mortal, tmp_path: Path) -> None:
    """A server that keeps its connections and says nothing is called stale, and heard again when it wakes."""
    live = new_live(ROUTE)
    async with watching(mortal.url, live, tmp_path, poll_s=0.3, answer_s=0.5) as store:
        flag = await flip(store)
        await until(lambda: live.plan.flag(ROUTE) == flag)
        frozen = mortal.freeze()
        try:
            await until(lambda: not live.fresh)
            assert live.plan.flag(ROUTE) == flag
        finally:
            for pid in frozen:
                os.kill(pid, signal.SIGCONT)
        await until(lambda: live.fresh)


async def test_a_first_start_has_no_unusable_snapshot(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """There is none yet, which is as it should be; one that is torn is told."""
    file, live = tmp_path / "flags.json", new_live(ROUTE)
    nowhere = "postgresql://127.0.0.1:9/none"
    watch = FlagWatch(nowhere, FlagStore(make_engine(nowhere)), live, SnapshotFile(file))
    with caplog.at_level("INFO", logger="strangler"):
        await watch.use_snapshot()
        assert not [one for one in caplog.records if one.message == "snapshot_unusable"]
        file.write_text("{")
        await watch.use_snapshot()
    assert [one.message for one in caplog.records] == ["snapshot_unusable"]
