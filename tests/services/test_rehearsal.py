"""A rehearsed write: nothing of it stays, what it wrote is handed over, what legacy did then is looked at."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import Response

from services.app import build
from services.kit.auth import ANONYMOUS
from services.kit.unit import writing

from .asgi import Caller, running
from .rehearsals import Rehearsed, prepared, rehearse, with_handler

RUN = "ce461d43-126d-4ef4-96d2-e2d396eff7d2"


@pytest.fixture(scope="module")
def captured(database_url: str) -> str:
    prepared(database_url)
    return database_url


@pytest.fixture
async def side(captured: str, environment: pytest.MonkeyPatch) -> AsyncIterator[Caller]:
    async with running(build()) as caller:
        yield caller


def lots(database: psycopg.Connection, code: str) -> int:
    row = database.execute("SELECT count(*) FROM lots WHERE lot_code = %s", [code]).fetchone()
    assert row is not None
    return int(row[0])


async def look(rehearsed: Rehearsed, *swaps: tuple[str, str]) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = await rehearsed.of("rehearsed")["look"](swaps)
    return seen


async def test_what_a_rehearsal_inserts_is_handed_over_and_gone(side: Caller, database: psycopg.Connection) -> None:
    """The row is told with every column, as it would have been stored; the table never has it."""
    rehearsed = await rehearse(side, "/api/lots", {"lot_code": "R-1", "weight_kg": 12.5})
    assert rehearsed.answer.status == 201
    assert rehearsed.kinds() == ["begun", "rehearsed"]
    (row,) = rehearsed.of("rehearsed")["rows"]
    assert (row["table"], row["op"], row["old"]) == ("public.lots", "insert", None)
    assert (row["new"]["lot_code"], row["new"]["weight_kg"]) == ("R-1", 12.5)
    assert set(row["generated"]) >= {"id", "created_at"}
    assert rehearsed.of("rehearsed")["unseen"] == []
    assert lots(database, "R-1") == 0
    await rehearsed.of("rehearsed")["release"]()


async def test_rows_keep_every_digit(side: Caller, database: psycopg.Connection) -> None:
    """Two weights that are one double are told apart, on both sides of the comparison."""
    rehearsed = await rehearse(side, "/api/lots", {"lot_code": "R-DIGITS", "weight_kg": 0.1})
    database.execute("INSERT INTO lots (lot_code, weight_kg) VALUES ('R-DIGITS', 0.1000000000000000055)")
    (row,) = rehearsed.of("rehearsed")["rows"]
    (seen,) = await look(rehearsed)
    assert (str(row["new"]["weight_kg"]), str(seen["row"]["weight_kg"])) == ("0.1", "0.1000000000000000055")


async def test_the_look_finds_legacys_row_by_its_unique_code(side: Caller, database: psycopg.Connection) -> None:
    """Legacy's row has another id; the code leads to it, changed once."""
    rehearsed = await rehearse(side, "/api/lots", {"lot_code": "R-2"})
    database.execute("INSERT INTO lots (lot_code, weight_kg) VALUES ('R-2', 3)")
    (seen,) = await look(rehearsed)
    assert (seen["changes"], seen["row"]["lot_code"], seen["row"]["weight_kg"]) == (1, "R-2", 3)


async def test_the_look_finds_legacys_row_by_the_id_of_its_answer(side: Caller, database: psycopg.Connection) -> None:
    """A decision has no key of its own but the id, which stands at the same place of both answers."""
    rehearsed = await rehearse(side, "/api/qc-decisions", {"decision": "PASS"})
    legacys = database.execute("INSERT INTO qc_decisions (decision) VALUES ('FAIL') RETURNING id::text").fetchone()
    assert legacys is not None
    (seen,) = await look(rehearsed, (rehearsed.answer.json()["id"], legacys[0]))
    assert (seen["changes"], seen["row"]["decision"]) == (1, "FAIL")


async def test_a_look_shows_the_rows_as_they_were_when_legacy_had_answered(
    side: Caller, database: psycopg.Connection
) -> None:
    """Its caller changes them at once: what was made and changed is one row, and looks as if legacy had made it so."""
    rehearsed = await rehearse(side, "/api/lots", {"lot_code": "R-FROZEN", "weight_kg": 3})
    database.execute("INSERT INTO lots (lot_code, weight_kg) VALUES ('R-FROZEN', 3)")
    await rehearsed.of("rehearsed")["freeze"]()
    database.execute("UPDATE lots SET weight_kg = 4 WHERE lot_code = 'R-FROZEN'")
    (seen,) = await look(rehearsed)
    assert (seen["changes"], seen["row"]["weight_kg"]) == (1, 3)


@pytest.mark.parametrize("writers", [0, 1, 2])
async def test_the_look_counts_changes_of_a_row_that_was_there(
    side: Caller, database: psycopg.Connection, writers: int
) -> None:
    """Nobody, legacy alone, or somebody else too: the versions of the row tell."""
    rehearsed = await rehearse(side, f"/api/runs/{RUN}", {"status": "COMPLETED"}, method="PATCH")
    (row,) = rehearsed.of("rehearsed")["rows"]
    assert (row["op"], row["old"]["status"], row["new"]["status"]) == ("update", "ACTIVE", "COMPLETED")
    for number in range(writers):
        database.execute("UPDATE production_runs SET daily_target_kg = %s WHERE id = %s", [number, RUN])
    (seen,) = await look(rehearsed)
    assert seen["changes"] == writers


@pytest.mark.parametrize(("legacys", "changes", "value"), [("b", 1, 5), ("c", 1, None), ("a", 1, 5), ("", 0, 1)])
async def test_a_row_whose_key_is_changed_is_found_again(
    captured: str, environment: pytest.MonkeyPatch, database: psycopg.Connection, legacys: str, changes: int, value: int
) -> None:
    """By its new key where legacy has changed it as well, else by the old one; a column named t is no row."""
    database.execute("CREATE TABLE places (place text PRIMARY KEY, n int, t timestamptz)")
    database.execute("INSERT INTO places VALUES ('a', 1)")
    database.execute("SELECT strangler.capture('public.places')")

    async def moves(request: Request) -> Response:
        async with writing(request, ANONYMOUS) as session:
            for change in ("place = 'x'", "place = 'b'", "n = 5"):
                await session.rows(text(f"UPDATE places SET {change} RETURNING place"))  # type: ignore[arg-type] # a text
        return Response()

    try:
        async with running(with_handler(moves)) as side:
            rehearsed = await rehearse(side, "/api/tried")
            (row,) = rehearsed.of("rehearsed")["rows"]
            if legacys:
                database.execute("UPDATE places SET place = %s, n = 5", [legacys])
            seen, *others = await look(rehearsed)
    finally:
        database.execute("DROP TABLE places")
    assert [other["row"]["place"] for other in others] == ["c"] * (legacys == "c")
    assert (row["op"], row["old"]["place"], row["new"]["place"], row["new"]["n"]) == ("update", "a", "b", 5)
    assert (seen["changes"], seen["row"] and seen["row"]["n"]) == (changes, value)


async def test_a_refused_insert_is_known_by_its_keys(side: Caller, database: psycopg.Connection) -> None:
    """The duplicate is refused as legacy would; that its row was deleted meanwhile shows in the look."""
    database.execute("INSERT INTO lots (lot_code) VALUES ('R-DUPLICATE')")
    rehearsed = await rehearse(side, "/api/lots", {"lot_code": "R-DUPLICATE"})
    assert rehearsed.answer.status == 409
    assert [row["op"] for row in rehearsed.of("rehearsed")["rows"]] == ["attempt"]
    database.execute("DELETE FROM lots WHERE lot_code = 'R-DUPLICATE'")
    (seen,) = await look(rehearsed)
    assert (seen["changes"], seen["row"]) == (1, None)


async def test_an_insert_that_is_refused_and_survived_hides_no_row(
    captured: str, environment: pytest.MonkeyPatch, database: psycopg.Connection
) -> None:
    """A handler tries a code, takes the next one when it is taken, and every row of that is seen."""
    database.execute("INSERT INTO lots (lot_code) VALUES ('R-TAKEN')")

    async def tries(request: Request) -> Response:
        async with writing(request, ANONYMOUS) as session:
            connection = session._connection
            for code in ("R-TAKEN", "R-NEXT"):
                with suppress(IntegrityError):
                    async with connection.begin_nested():
                        await connection.execute(text("INSERT INTO lots (lot_code) VALUES (:code)"), {"code": code})
        return Response(status_code=201)

    async with running(with_handler(tries)) as caller:
        rehearsed = (await rehearse(caller, "/api/tried")).of("rehearsed")
        assert [(row["op"], row["new"] and row["new"]["lot_code"]) for row in rehearsed["rows"]] == [
            ("attempt", None), ("insert", "R-NEXT")
        ]  # fmt: skip
        assert rehearsed["unseen"] == []
        await rehearsed["release"]()
    assert lots(database, "R-NEXT") == 0


async def test_a_handler_that_sets_its_own_isolation_is_not_rehearsed(
    captured: str, environment: pytest.MonkeyPatch
) -> None:
    """Nothing is said of it: it was compared by the error that PostgreSQL gave to the rehearsal alone."""

    async def isolated(request: Request) -> Response:
        async with writing(request, ANONYMOUS) as session:
            connection = session._connection
            await connection.execute(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"))
        return Response(status_code=201)

    async with running(with_handler(isolated)) as caller:
        rehearsed = await rehearse(caller, "/api/tried")
        assert rehearsed.of("abandoned")["why"] == "serialization"


async def test_no_lock_is_left_while_the_gateway_has_not_looked(side: Caller, database: psycopg.Connection) -> None:
    """Legacy's write on the same row goes through at once, although the snapshot is still held."""
    rehearsed = await rehearse(side, f"/api/runs/{RUN}", {"status": "CANCELLED"}, method="PATCH")
    database.execute("SET lock_timeout = '1s'")
    database.execute("UPDATE production_runs SET daily_target_kg = 9 WHERE id = %s", [RUN])
    await rehearsed.of("rehearsed")["release"]()


async def test_the_look_says_when_its_snapshot_is_gone(side: Caller, database: psycopg.Connection) -> None:
    """Legacy took longer than PostgreSQL keeps it: nothing is wrong, and nothing can be compared."""
    rehearsed = await rehearse(side, "/api/lots", {"lot_code": "R-LATE"})
    held = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()"
    async with asyncio.timeout(60):
        while database.execute(held).fetchone() != (0,):  # noqa: ASYNC110 - PostgreSQL tells nobody
            await asyncio.sleep(0.1)
    with pytest.raises(TimeoutError):
        await look(rehearsed)


async def test_a_row_that_somebody_holds_makes_no_rehearsal_wait(side: Caller, captured: str) -> None:
    """The lock timeout ends it, and the gateway is told that this is no answer to compare."""
    with psycopg.connect(captured) as other:
        other.execute("UPDATE production_runs SET daily_target_kg = 1 WHERE id = %s", [RUN])
        rehearsed = await rehearse(side, f"/api/runs/{RUN}", {"status": "CANCELLED"}, method="PATCH")
        other.rollback()
    assert rehearsed.kinds() == ["begun", "abandoned", "failed"]
    assert rehearsed.of("abandoned")["why"] == "lock_timeout"


async def test_rehearsals_without_a_connection_are_given_up(environment: pytest.MonkeyPatch, captured: str) -> None:
    """They have few connections of their own, and none waits long for one; a real write has its own."""
    environment.setenv("SERVICES_POOL_SIZE", "1")
    async with running(build()) as side:
        first = await rehearse(side, "/api/lots", {"lot_code": "R-POOL"})
        second = await rehearse(side, "/api/lots", {"lot_code": "R-POOL"}, budget_s=0.1)
        assert second.of("abandoned")["why"] == "busy"
        assert (await side.send("POST", "/api/lots", body={"lot_code": "R-KEPT"}, commit=True)).status == 201
        await first.of("rehearsed")["release"]()
        third = await rehearse(side, "/api/lots", {"lot_code": "R-POOL"})
        assert third.answer.status == 201
        await third.of("rehearsed")["release"]()


async def test_a_cancelled_rehearsal_leaves_nothing(side: Caller, database: psycopg.Connection, captured: str) -> None:
    """The gateway that waits no longer cancels it: its transaction is rolled back and its connection free."""
    with psycopg.connect(captured) as other:
        other.execute("LOCK TABLE lots IN EXCLUSIVE MODE")
        task = asyncio.create_task(rehearse(side, "/api/lots", {"lot_code": "R-CANCELLED"}, budget_s=30))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert lots(database, "R-CANCELLED") == 0
    open_ones = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()"
    assert database.execute(open_ones).fetchone() == (0,)


async def test_a_table_without_capture_is_told(side: Caller, database: psycopg.Connection) -> None:
    """What the triggers do not see, the transaction's own counts do."""
    triggers = ("zz_strangler_captured", "zz_strangler_attempted")
    for name in triggers:
        database.execute(f"ALTER TABLE lots DISABLE TRIGGER {name}")
    try:
        rehearsed = await rehearse(side, "/api/lots", {"lot_code": "R-UNSEEN"})
    finally:
        for name in triggers:
            database.execute(f"ALTER TABLE lots ENABLE TRIGGER {name}")
    assert rehearsed.of("rehearsed")["unseen"] == ["public.lots"]
    await rehearsed.of("rehearsed")["release"]()


async def test_a_unit_that_is_kept_says_when_it_commits(side: Caller, database: psycopg.Connection) -> None:
    """Before that, legacy may still answer in its place; after it, never."""
    told: list[dict[str, Any]] = []
    run = {"commit": True, "tell": told.append}
    await side.send("POST", "/api/lots", body={"lot_code": "R-COMMITTED"}, run=run)
    await side.send("POST", "/api/lots", body={"lot_code": "R-COMMITTED"}, run=run)
    assert [one["type"] for one in told] == [
        "unit.begun", "unit.committing", "unit.ended", "unit.begun", "unit.rolled_back"
    ]  # fmt: skip
    assert lots(database, "R-COMMITTED") == 1
