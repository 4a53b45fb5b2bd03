"""What no rollback takes back is refused while `commit` is false, with the line of the handler that tried it."""

import asyncio
import gc
import multiprocessing
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from sqlalchemy import create_engine, insert, text
from sqlalchemy.exc import IntegrityError
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from services.kit.auth import ANONYMOUS
from services.kit.parts import parts_of
from services.kit.tables import lots
from services.kit.unit import WriteSession, writing

from .asgi import running
from .rehearsals import Rehearsed, prepared, rehearse, with_handler

# the standard library leaves a socket whose connect was refused by an audit hook to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

Act = Callable[[Request, WriteSession], Awaitable[None]]
PORT = 9  # nobody listens there; nothing may even try


@pytest.fixture(scope="module")
def captured(database_url: str) -> str:
    prepared(database_url)
    return database_url


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """What such a socket is part of goes with its test."""
    yield
    gc.collect()


@pytest.fixture
def url(captured: str, environment: pytest.MonkeyPatch) -> str:
    return captured


async def tried(act: Act, *, swallow: bool = False) -> Rehearsed:
    """Rehearse a handler that inserts a row and then does this."""

    async def handler(request: Request) -> Response:
        async with writing(request, ANONYMOUS) as session:
            await session.add(insert(lots).returning(lots.c.id), {"lot_code": "G-1"})
            try:
                await act(request, session)
            except Exception:
                if not swallow:
                    raise
        return PlainTextResponse("done")

    async with running(with_handler(handler)) as side:
        rehearsed = await rehearse(side, "/api/tried")
        for message in rehearsed.told:
            if message["type"] == "unit.rehearsed":
                await message["release"]()
        parts = side.app.state.parts  # type: ignore[attr-defined] # FastAPI's
        assert parts.database.rehearsals.pool.checkedout() == 0
        look = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()"
        async with parts.database.readers.connect() as connection:
            assert (await connection.execute(text(look))).scalar_one() == 0
        return rehearsed


def connection_of(session: WriteSession) -> Any:
    """What a handler is not meant to reach, and can."""
    return session._connection


async def commits_itself(_: Request, session: WriteSession) -> None:
    await connection_of(session).commit()


async def commits_in_sql(_: Request, session: WriteSession) -> None:
    await connection_of(session).execute(text("/* done */ COMMIT"))


async def commits_below_sqlalchemy(_: Request, session: WriteSession) -> None:
    driver = (await connection_of(session).get_raw_connection()).driver_connection
    await driver.execute("SELECT 1; COMMIT")


async def commits_behind_a_literal(_: Request, session: WriteSession) -> None:
    driver = (await connection_of(session).get_raw_connection()).driver_connection
    await driver.execute("INSERT INTO lots (lot_code) VALUES ('G--2'); COMMIT")


async def commits_in_composed_sql(_: Request, session: WriteSession) -> None:
    driver = (await connection_of(session).get_raw_connection()).driver_connection
    await driver.execute(sql.SQL("{} WORK").format(sql.SQL("COMMIT")))


async def commits_for_each_of_many(_: Request, session: WriteSession) -> None:
    driver = (await connection_of(session).get_raw_connection()).driver_connection
    await driver.cursor().executemany("COMMIT", [()])


async def commits_in_a_stream(_: Request, session: WriteSession) -> None:
    driver = (await connection_of(session).get_raw_connection()).driver_connection
    async for _row in driver.cursor().stream("COMMIT"):
        pass


async def takes_another_connection(request: Request, _: WriteSession) -> None:
    async with parts_of(request).database.writers.connect() as other:
        await other.execute(text("INSERT INTO lots (lot_code) VALUES ('G-2')"))


async def uses_an_autocommit_engine(request: Request, _: WriteSession) -> None:
    url = parts_of(request).database.writers.url
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as other:
        other.execute(text("INSERT INTO lots (lot_code) VALUES ('G-2')"))


async def connects_with_psycopg(request: Request, _: WriteSession) -> None:
    url = parts_of(request).database.writers.url.set(drivername="postgresql")
    async with await psycopg.AsyncConnection.connect(url.render_as_string(hide_password=False)) as other:
        await other.execute("INSERT INTO lots (lot_code) VALUES ('G-2')")


async def asks_with_httpx(_: Request, __: WriteSession) -> None:
    async with httpx.AsyncClient(verify=False) as client:
        await client.post(f"http://127.0.0.1:{PORT}/")


async def asks_with_urllib(_: Request, __: WriteSession) -> None:
    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=1)  # noqa: ASYNC210 - handlers do such things


async def asks_in_a_thread(_: Request, __: WriteSession) -> None:
    await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{PORT}/", timeout=1)


async def asks_in_an_executor(_: Request, __: WriteSession) -> None:
    with ThreadPoolExecutor(1) as executor:
        executor.submit(urllib.request.urlopen, f"http://127.0.0.1:{PORT}/", timeout=1).result()


async def asks_in_a_thread_of_its_own(_: Request, __: WriteSession) -> None:
    def ask() -> None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=1)
        except RuntimeError as error:
            caught.append(error)

    caught: list[RuntimeError] = []
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    raise caught[0]


async def asks_in_a_task(_: Request, __: WriteSession) -> None:
    await asyncio.create_task(asks_with_httpx(_, __))


async def opens_a_stream(_: Request, __: WriteSession) -> None:
    await asyncio.open_connection("127.0.0.1", PORT)


async def sends_a_datagram(_: Request, __: WriteSession) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"gone", ("127.0.0.1", PORT))


async def starts_a_process(_: Request, __: WriteSession) -> None:
    subprocess.run(["true"], check=True)  # noqa: ASYNC221 - handlers do such things


async def spawns_a_process(_: Request, __: WriteSession) -> None:
    multiprocessing.get_context("spawn").Process(target=print).start()


FORBIDDEN = [
    commits_itself,
    commits_in_sql,
    commits_below_sqlalchemy,
    commits_behind_a_literal,
    commits_in_composed_sql,
    commits_for_each_of_many,
    commits_in_a_stream,
    takes_another_connection,
    uses_an_autocommit_engine,
    connects_with_psycopg,
    asks_with_httpx,
    asks_with_urllib,
    asks_in_a_thread,
    asks_in_an_executor,
    asks_in_a_thread_of_its_own,
    asks_in_a_task,
    opens_a_stream,
    sends_a_datagram,
    starts_a_process,
    spawns_a_process,
]


@pytest.mark.parametrize("swallow", [False, True], ids=["raised", "swallowed"])
@pytest.mark.parametrize("act", FORBIDDEN)
async def test_a_forbidden_act_is_refused_and_its_line_is_told(
    url: str, database: psycopg.Connection, act: Act, swallow: bool
) -> None:
    """The gateway hears of it also when the handler swallows the error; no row and no byte has left."""
    rehearsed = await tried(act, swallow=swallow)
    told = next(message for message in rehearsed.told if message["type"] == "unit.unsafe")
    first, last = act.__code__.co_firstlineno, max(line for *_, line in act.__code__.co_lines() if line)
    file, _, line = told["where"].rpartition(":")
    assert file == "tests/services/test_guard.py"
    assert first < int(line) <= last or act is asks_in_a_task
    assert swallow or rehearsed.answer.status == 500
    assert database.execute("SELECT count(*) FROM lots WHERE lot_code LIKE 'G-%'").fetchone() == (0,)


async def takes_an_advisory_lock(_: Request, session: WriteSession) -> None:
    await connection_of(session).execute(text("SELECT pg_advisory_lock(4)"))


async def takes_an_advisory_lock_and_fails(_: Request, session: WriteSession) -> None:
    await takes_an_advisory_lock(_, session)
    raise ValueError


@pytest.mark.parametrize("act", [takes_an_advisory_lock, takes_an_advisory_lock_and_fails])
async def test_an_advisory_lock_of_the_session_is_let_go(url: str, database: psycopg.Connection, act: Act) -> None:
    """It outlives a rollback, and legacy's write, which takes the same one, had to wait for the rehearsal's end."""
    assert (await tried(act)).kinds()[:2] == ["begun", "rehearsed"]
    assert database.execute("SELECT pg_try_advisory_lock(4)").fetchone() == (True,)
    database.execute("SELECT pg_advisory_unlock(4)")


async def test_what_commit_would_refuse_is_refused(url: str, database: psycopg.Connection) -> None:
    """A deferred constraint is checked at the end of a transaction, so also at the end of a rehearsed one."""
    database.execute("CREATE TABLE ticket (code text UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    database.execute("INSERT INTO ticket VALUES ('T-1')")

    async def adds_the_same(_: Request, session: WriteSession) -> None:
        await connection_of(session).execute(text("INSERT INTO ticket VALUES ('T-1')"))

    rehearsed = await tried(adds_the_same)
    database.execute("DROP TABLE ticket")
    assert rehearsed.answer.status == 500
    assert rehearsed.of("rehearsed")["would_commit"] is False


async def test_an_error_that_a_handler_has_caught_is_no_unsafe_act(url: str, database: psycopg.Connection) -> None:
    """It answers in its own words, and PostgreSQL would take back at COMMIT what it had done."""

    async def catches(_: Request, session: WriteSession) -> None:
        with suppress(IntegrityError):
            await connection_of(session).execute(text("INSERT INTO lots (lot_code) VALUES (NULL)"))

    rehearsed = await tried(catches)
    assert (rehearsed.answer.status, rehearsed.kinds()) == (200, ["begun", "rehearsed"])
    assert rehearsed.of("rehearsed")["would_commit"] is False


async def test_a_background_task_is_guarded_too(url: str) -> None:
    """What runs behind the answer belongs to the same request."""

    def ask() -> None:
        urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=1)

    async def handler(request: Request) -> Response:
        return PlainTextResponse("done", background=BackgroundTask(ask))

    told: list[dict[str, Any]] = []
    async with running(with_handler(handler)) as side:
        with pytest.raises(RuntimeError, match="commit is false"):
            await side.send("POST", "/api/tried", body={}, run={"commit": False, "tell": told.append})
    assert told[0]["type"] == "unit.unsafe"


async def test_a_write_that_is_kept_may_do_what_it_likes(url: str) -> None:
    """The same acts are nobody's business when the gateway lets the new side answer."""

    async def handler(request: Request) -> Response:
        async with writing(request, ANONYMOUS), parts_of(request).database.writers.connect() as other:
            row = (await other.execute(text("SELECT 7"))).scalar_one()
        return PlainTextResponse(str(row))

    async with running(with_handler(handler)) as side:
        answer = await side.send("POST", "/api/tried", body={}, run={"commit": True, "tell": lambda _: None})
    assert (answer.status, answer.body) == (200, b"7")


async def test_an_act_of_a_librarys_own_task_names_no_stranger(url: str) -> None:
    """The handler does not stand on such a task's stack; what does below the loop is whoever runs the process."""

    async def connects(_: Request, __: WriteSession) -> None:
        # a library's coroutine is the task's own: as httpx connects by tasks of anyio's
        await asyncio.create_task(asyncio.open_connection("127.0.0.1", 1))

    told = (await tried(connects, swallow=True)).of("unsafe")
    assert told["where"] == "a library"
