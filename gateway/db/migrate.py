"""Brings a database to the newest schema: the histories `gateway` and `domain`, each with its own version table.

Which tables there are is the histories' business (`migrations/`), not this file's.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine, pool
from sqlalchemy.exc import SQLAlchemyError

from gateway.db.engine import CONNECT_S, as_down, connection_parameters, database_url

VERSION_TABLES = {"gateway": ("gateway", "alembic_version"), "domain": ("public", "alembic_version_domain")}

_LOCK = 0x5347_4D49  # "SGMI": one lock for both histories, taken by whoever migrates
_LOCK_WAIT = "120s"

_alembic_is_one_per_process = threading.Lock()  # its `op` and `context` are globals


class MigrationRefused(RuntimeError):  # noqa: N818 - it says what happened
    """The schema cannot be brought to this version; the text is a sentence for people."""


def upgrade(url: str, history: str) -> None:
    """Bring one history to its newest revision; several processes may do this at once, one after the other does.

    Raises DatabaseDown, or MigrationRefused when the database is newer than this program.
    """
    config = _config(url, history)
    with _border(), _alembic_is_one_per_process, _one_migration_at_a_time(url):
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise MigrationRefused(
                f"the {history} tables are at revision {current(url, history)}, which this program does not know; "
                "a newer one has been here"
            ) from error


def current(url: str, history: str) -> str | None:
    """The revision a database is at, None before the first upgrade."""
    schema, table = VERSION_TABLES[history]
    engine = create_engine(database_url(url), poolclass=pool.NullPool, connect_args={"connect_timeout": CONNECT_S})
    with _border(), engine.connect() as connection:
        options = {"version_table": table, "version_table_schema": schema}
        return MigrationContext.configure(connection, opts=options).get_current_revision()


def newest(history: str) -> str | None:
    """The revision that `upgrade` leads to."""
    return ScriptDirectory.from_config(_config("postgresql://", history)).get_current_head()


def _config(url: str, history: str) -> Config:
    if history not in VERSION_TABLES:
        raise ValueError(f"there is no history {history!r}; there are {', '.join(VERSION_TABLES)}")
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(_scripts(history)).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    full = database_url(url).render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", full.replace("%", "%%"))
    return config


def _scripts(history: str) -> Path:
    """Where the scripts lie: packed into the wheel, or in the checkout beside the package."""
    package = Path(__file__).resolve().parents[1]
    packed = package / "_migrations" / history
    return packed if packed.is_dir() else package.parent / "migrations" / history


@contextmanager
def _one_migration_at_a_time(url: str) -> Iterator[None]:
    """Hold an advisory lock; the server itself gives it back when this process dies."""
    with psycopg.connect(autocommit=True, **connection_parameters(database_url(url))) as connection:
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
