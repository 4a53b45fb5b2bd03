"""Migrations: forth and back, together, and equal to the tables the statements use."""

import subprocess
import sys

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from gateway.db import migrate, scripts
from gateway.db.embedded import ensure_database
from gateway.db.engine import DatabaseDown, as_text, database_url
from gateway.db.rollout_tables import rollouts  # its module adds its tables to those of `tables.py`

UPGRADE = "import sys; from gateway.db.migrate import upgrade; upgrade(sys.argv[1], 'gateway')"


def test_tables_are_what_the_migrations_make(database: str) -> None:
    """What the statements use and the migrated schema do not differ in a table, a column, a type or an index."""
    engine = create_engine(database_url(database))
    with engine.connect() as connection:
        options = {
            "include_schemas": True,
            "version_table_schema": "gateway",
            "include_name": lambda name, kind, _parents: kind != "schema" or name == "gateway",
        }
        assert compare_metadata(MigrationContext.configure(connection, opts=options), rollouts.metadata) == []
    engine.dispose()


def test_history_goes_back_and_forth(database: str) -> None:
    """Every revision can be undone, one after the other, and made again."""
    command.downgrade(scripts.config_of(database, migrate.scripts_of("gateway")), "base")
    assert migrate.current(database, "gateway") is None
    with psycopg.connect(database) as connection:
        left = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'gateway'").fetchall()
        functions = connection.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'gateway'::regnamespace")
        assert (left, functions.fetchall()) == ([("alembic_version",)], [])
    migrate.upgrade(database, "gateway")
    assert migrate.current(database, "gateway") == migrate.newest("gateway")


def test_processes_that_start_together_upgrade_once(postgres: str) -> None:
    """Two processes that find an empty database all end well, and say nothing."""
    url = ensure_database(postgres, "together")
    started = [
        subprocess.Popen([sys.executable, "-c", UPGRADE, url], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert said == [b"", b""]
    assert migrate.current(url, "gateway") == migrate.newest("gateway")


def test_newer_database_is_refused_with_a_sentence(database: str) -> None:
    """A database that a newer program has migrated is left alone, and the sentence names its revision."""
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE gateway.alembic_version SET version_num = '9999'")
    with pytest.raises(migrate.MigrationRefused, match="at revision 9999, which this program does not know"):
        migrate.upgrade(database, "gateway")


def test_no_database_is_a_database_down() -> None:
    """A server that is not there gives the same failure as everywhere else."""
    with pytest.raises(DatabaseDown, match=r"^the database cannot be reached$"):
        migrate.upgrade("postgresql:///x?host=/nowhere", "gateway")


@pytest.mark.parametrize("history", migrate.VERSION_TABLES)
def test_the_highest_number_is_the_head(history: str) -> None:
    """What a start reads off the names of the scripts is what Alembic would lead to."""
    folder = ScriptDirectory.from_config(scripts.config_of("postgresql://", migrate.scripts_of(history)))
    assert migrate.newest(history) == folder.get_current_head()


def test_a_database_that_is_up_to_date_costs_no_alembic(database: str) -> None:
    """A start that finds nothing to change does not even import what changes tables."""
    ask = f"{UPGRADE}; print([name for name in ('alembic', 'mako') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", ask, database], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_a_user_who_may_make_nothing_starts_on_tables_that_are_there(database: str) -> None:
    """Whoever upgrades beforehand may be somebody else: the gateway's own user only reads and writes."""
    parsed = database_url(database)
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS modest; CREATE ROLE modest LOGIN; GRANT USAGE ON SCHEMA gateway TO modest")
        owner.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA gateway TO modest")
        try:
            migrate.upgrade(as_text(parsed.set(username="modest")), "gateway")
        finally:
            owner.execute("DROP OWNED BY modest; DROP ROLE modest")


def test_unknown_history_is_refused(database: str) -> None:
    """Only the two histories there are can be named."""
    with pytest.raises(ValueError, match="there are gateway, domain"):
        migrate.upgrade(database, "../evil")
