"""Brings a database to the newest schema: the histories `gateway` and `domain`, each with its own version table.

Which tables there are is the histories' business (`migrations/`), not this file's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import errors, sql
from sqlalchemy.exc import SQLAlchemyError

from gateway.db.engine import as_down, connection_parameters, database_url

VERSION_TABLES: Final = {"gateway": ("gateway", "alembic_version"), "domain": ("public", "alembic_version_domain")}

_LOCK: Final = 0x5347_4D49  # "SGMI": one lock for both histories, taken by whoever migrates
_LOCK_WAIT: Final = "120s"


class MigrationRefused(RuntimeError):  # noqa: N818 - it says what happened
    """The schema cannot be brought to this version; the text is a sentence for people."""


def upgrade(url: str, history: str) -> None:
    """Bring one history to its newest revision; several processes may do this at once, one after the other does.

    Raises DatabaseDown, or MigrationRefused when the database is newer than this program.
    """
    folder = scripts_of(history)
    if current(url, history) == newest(history):
        return
    from gateway.db import scripts  # not above: Alembic is slow to import, and most starts find nothing to change

    with _border(), _one_migration_at_a_time(url):
        known = scripts.run(url, folder)
    if not known:
        raise MigrationRefused(
            f"the {history} tables are at revision {current(url, history)}, which this program does not know; "
            "a newer one has been here"
        )


def current(url: str, history: str) -> str | None:
    """The revision a database is at, None before the first upgrade."""
    wanted = sql.SQL("SELECT version_num FROM {}").format(sql.Identifier(*VERSION_TABLES[history]))
    with _border(), _connection(url) as connection:
        try:
            row = connection.execute(wanted).fetchone()
        except (errors.UndefinedTable, errors.InvalidSchemaName):
            return None
    return None if row is None else str(row[0])


def newest(history: str) -> str:
    """The revision that `upgrade` leads to: scripts are numbered, and a test holds that the last is Alembic's head."""
    return max(script.name.partition("_")[0] for script in (scripts_of(history) / "versions").glob("[0-9]*_*.py"))


def scripts_of(history: str) -> Path:
    """Where the scripts lie: packed into the wheel, or in the checkout beside the package."""
    if history not in VERSION_TABLES:
        raise ValueError(f"there is no history {history!r}; there are {', '.join(VERSION_TABLES)}")
    package = Path(__file__).resolve().parents[1]
    packed = package / "_migrations" / history
    return packed if packed.is_dir() else package.parent / "migrations" / history


def _connection(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(autocommit=True, **connection_parameters(database_url(url)))


@contextmanager
def _one_migration_at_a_time(url: str) -> Iterator[None]:
    """Hold an advisory lock; the server itself gives it back when this process dies."""
    with _connection(url) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute(f"SET lock_timeout = '{_LOCK_WAIT}'")
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        yield


@contextmanager
def _border() -> Iterator[None]:
    try:
        yield
    except (SQLAlchemyError, psycopg.Error, OSError) as error:
        raise as_down(error) from error
