"""The existing database: what the new side will adopt."""

import uuid
from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest

from .stack import OPERATOR_ID, REPOSITORY

TABLES = {
    "users": "id email full_name role created_at last_login",
    "scenarios": "id name version config i18n is_active created_at",
    "streams": "id scenario_id stream_key name color sort_order",
    "qc_gates": "id scenario_id gate_number name gate_type is_ccp checklist",
    "phases": "id scenario_id stream_id qc_gate_id phase_number name description",
    "production_runs": ("id run_code scenario_id operator_id status daily_target_kg started_at ended_at summary"),
    "lots": ("id lot_code lot_type production_run_id phase_id operator_id weight_kg temperature_c metadata created_at"),
    "lot_genealogy": "id parent_lot_id child_lot_id quantity_used_kg linked_at",
    "qc_decisions": "id lot_id qc_gate_id operator_id decision notes temperature_c digital_signature decided_at",
}


@pytest.fixture
def connection(database_url: str) -> "Iterator[psycopg.Connection[tuple[Any, ...]]]":
    """A connection whose work is rolled back."""
    with psycopg.connect(database_url) as connection:
        yield connection
        connection.rollback()


def become(connection: psycopg.Connection[Any], role: str, user_id: str) -> None:
    connection.execute(
        "SELECT set_config('role', %s, true), set_config('request.jwt.claims', %s, true)",
        (role, f'{{"sub": "{user_id}"}}'),
    )


@pytest.mark.parametrize(("table", "columns"), TABLES.items())
def test_table_has_the_columns_in_order(connection: psycopg.Connection[Any], table: str, columns: str) -> None:
    """Key order on the wire is column order, so both the set and the order of columns are facts."""
    rows = connection.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND table_name = %s ORDER BY ordinal_position",
        (table,),
    ).fetchall()
    assert [name for (name,) in rows] == columns.split()


def test_running_both_files_again_changes_nothing(connection: psycopg.Connection[Any]) -> None:
    """Schema and seed may be applied at every start."""
    counts: LiteralString = (
        "SELECT (SELECT count(*) FROM lots), (SELECT count(*) FROM lot_genealogy),"
        " (SELECT count(*) FROM users), (SELECT count(*) FROM pg_policies), (SELECT count(*) FROM pg_trigger)"
    )
    before = connection.execute(counts).fetchone()
    for file in ("schema.sql", "seed.sql"):
        connection.execute((REPOSITORY / "legacy" / file).read_bytes())
    assert connection.execute(counts).fetchone() == before
    assert before is not None
    assert before[:3] == (5, 3, 3)


def test_every_seeded_id_is_a_uuid_of_version_4(connection: psycopg.Connection[Any]) -> None:
    """Seeds look like rows the database made itself."""
    rows = connection.execute(
        "SELECT id FROM users UNION SELECT id FROM lots UNION SELECT id FROM production_runs"
        " UNION SELECT id FROM qc_gates UNION SELECT id FROM lot_genealogy UNION SELECT id FROM auth.users"
    ).fetchall()
    assert rows
    assert {row.version for (row,) in rows} == {4}
    assert all(isinstance(row, uuid.UUID) for (row,) in rows)


def test_both_user_tables_name_the_same_people(connection: psycopg.Connection[Any]) -> None:
    """A token's `sub` finds the same person in Auth and in the application."""
    rows = connection.execute(
        "SELECT a.id, p.id FROM auth.users a FULL JOIN public.users p ON p.email = a.email"
    ).fetchall()
    assert len(rows) == 3
    assert all(left == right for left, right in rows)


def test_row_level_security_is_on_where_it_was(connection: psycopg.Connection[Any]) -> None:
    """Four tables carry row level security, the others none."""
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity"
    ).fetchall()
    assert {name for (name,) in rows} == {"users", "production_runs", "lots", "qc_decisions"}


def test_anybody_reads_lots_and_nobody_reads_users(connection: psycopg.Connection[Any]) -> None:
    """Reading is open on runs, lots and decisions; users has no policy at all."""
    become(connection, "anon", "")
    assert connection.execute("SELECT count(*) FROM lots").fetchone() == (5,)
    assert connection.execute("SELECT count(*) FROM production_runs").fetchone() == (2,)
    assert connection.execute("SELECT count(*) FROM users").fetchone() == (0,)


def test_operator_inserts_a_run_of_their_own(connection: psycopg.Connection[Any]) -> None:
    """A run may be inserted where auth.uid() is its operator."""
    become(connection, "authenticated", OPERATOR_ID)
    cursor = connection.execute("INSERT INTO production_runs (run_code, operator_id) VALUES ('PRD-OWN', auth.uid())")
    assert cursor.rowcount == 1


def test_operator_cannot_insert_a_run_of_somebody_else(connection: psycopg.Connection[Any]) -> None:
    """A run of another operator is refused by the policy."""
    become(connection, "authenticated", str(uuid.uuid4()))
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(
            "INSERT INTO production_runs (run_code, operator_id) VALUES ('PRD-OTHER', %s)", (OPERATOR_ID,)
        )


def test_stranger_updates_no_run(connection: psycopg.Connection[Any]) -> None:
    """An update of somebody else's runs finds no row."""
    become(connection, "authenticated", str(uuid.uuid4()))
    assert connection.execute("UPDATE production_runs SET status = 'CANCELLED'").rowcount == 0


def test_lot_larger_than_a_notification_is_inserted(connection: psycopg.Connection[Any]) -> None:
    """The realtime trigger never makes an insert fail, however large the row."""
    cursor = connection.execute(
        "INSERT INTO lots (lot_code, metadata) VALUES ('BIG', jsonb_build_object('note', repeat('x', 20000)))"
    )
    assert cursor.rowcount == 1
