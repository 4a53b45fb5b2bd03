"""How the gateway reaches PostgreSQL, and the one border where the database's failures become `DatabaseDown`.

Nothing above this file sees an exception or a text of the driver.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

T = TypeVar("T")

CONNECT_S = 3
POOL_WAIT_S = 3.0
STATEMENT_MS = 4_000
LOCK_MS = 3_000
ANSWER_S = 6.0  # for one whole conversation, also with a server that is frozen and runs no timeout of its own

CANNOT_BE_REACHED = "the database cannot be reached"
_NO_ANSWER = "the database did not answer in time"

_running: set[asyncio.Task[Any]] = set()  # the loop itself keeps only weak references


class DatabaseDown(ConnectionError):  # noqa: N818 - it says what is the case
    """The database cannot be asked; the text is a sentence for people and never the driver's own."""


class DatabaseSlow(DatabaseDown, TimeoutError):  # noqa: N818 - as above
    """It is there and has not answered in time: frozen, busy, or somebody holds a lock."""


def database_url(url: str) -> URL:
    """Read a PostgreSQL URL, also with `?host=/socket/dir`; ValueError without repeating it (it holds a password)."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError("the database URL is not one like postgresql://user@host/name") from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise ValueError("the database URL does not start with postgresql://")
    return parsed.set(drivername="postgresql+psycopg")


def connection_parameters(url: URL) -> dict[str, Any]:
    """Everything a connection is opened with, as psycopg's keywords; what the URL says goes before our defaults.

    A connection whose other end vanished without a word is given up by TCP within 20 seconds, and a
    standby is no database to this gateway: it may be behind, and it cannot keep a change.
    """
    _, said = url.get_dialect()().create_connect_args(url)
    said.pop("context", None)  # type adapters of the dialect, not libpq's
    try:
        make_conninfo("", **said)
    except psycopg.ProgrammingError:
        raise ValueError("the database URL has an option that PostgreSQL does not know") from None
    limits = f"-c statement_timeout={STATEMENT_MS} -c lock_timeout={LOCK_MS} {said.pop('options', '')}"
    return {
        "application_name": "strangler",
        "connect_timeout": CONNECT_S,
        "target_session_attrs": "read-write",
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        **said,
        "options": limits.strip(),
    }


def as_text(url: URL) -> str:
    """The URL as libpq and SQLAlchemy both read it: SQLAlchemy alone would write a space as `+`."""
    front, mark, query = url.set(drivername="postgresql").render_as_string(hide_password=False).partition("?")
    return front + mark + query.replace("+", "%20")


def make_engine(url: str) -> AsyncEngine:
    """An engine with a small pool; no connection is opened before it is needed.

    Statements are not prepared: flags are asked for rarely, and a prepared plan would outlive a migration.
    """
    parsed = database_url(url)
    return create_async_engine(
        parsed,
        connect_args={**connection_parameters(parsed), "prepare_threshold": None},
        hide_parameters=True,
        max_overflow=0,
        pool_pre_ping=True,
        pool_recycle=1_800,
        pool_size=5,
        pool_timeout=POOL_WAIT_S,
        pool_use_lifo=True,
        use_native_hstore=False,
    )


async def ask(work: Coroutine[Any, Any, T], *, within: float = ANSWER_S) -> T:
    """Have one conversation with the database; every failure of it is raised as `DatabaseDown`.

    The conversation is a task of its own, because cancelling one takes seconds when the server is frozen:
    it is then left to end by itself while the caller already has its answer.
    """
    task = asyncio.ensure_future(work)
    _running.add(task)
    task.add_done_callback(_forget)
    try:
        done, _ = await asyncio.wait({task}, timeout=within)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        raise DatabaseSlow(_NO_ANSWER)
    try:
        return task.result()
    except (SQLAlchemyError, psycopg.Error, OSError) as error:
        raise as_down(error) from error


def as_down(error: Exception) -> Exception:
    """The error as `DatabaseDown`, or unchanged where it is a bug of ours (a bad statement, a broken rule)."""
    if isinstance(error, DatabaseDown):
        return error
    if isinstance(error, PoolTimeout):
        return DatabaseDown("all connections to the database are in use")
    if isinstance(error, TimeoutError):
        return DatabaseSlow(_NO_ANSWER)
    if isinstance(error, OSError):
        return DatabaseDown(CANNOT_BE_REACHED)
    cause = error.orig if isinstance(error, DBAPIError) else error
    sentence = _sentence(cause) if isinstance(cause, psycopg.Error) else None
    if sentence is None:
        return error
    return DatabaseSlow(sentence) if sentence is _NO_ANSWER else DatabaseDown(sentence)


def _sentence(error: psycopg.Error) -> str | None:
    match error:
        case errors.UndefinedTable() | errors.UndefinedColumn() | errors.InvalidSchemaName():
            return "the database lacks the gateway's tables; `strangler db upgrade` makes them"
        case errors.InsufficientPrivilege():
            return "the database does not let the gateway's user do this"
        case errors.ReadOnlySqlTransaction():
            return "the database is read-only"
        case errors.DiskFull():
            return "the disk of the database is full"
        case errors.QueryCanceled() | errors.LockNotAvailable() | errors.ConnectionTimeout():
            return _NO_ANSWER
        case psycopg.OperationalError() | psycopg.InterfaceError() | psycopg.InternalError():
            return CANNOT_BE_REACHED
        case _:
            return None


def _forget(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # seen: an abandoned conversation may fail unheard
