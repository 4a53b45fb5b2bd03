"""Alembic's entry for the schema `gateway`: one connection, one transaction, a bounded wait for locks."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool, text

SCHEMA = "gateway"

if context.is_offline_mode():
    raise SystemExit(
        "this history runs on a database, not into a script: the schema must exist before its version table"
    )

engine = create_engine(
    context.config.get_main_option("sqlalchemy.url") or "",
    poolclass=pool.NullPool,
    connect_args={"connect_timeout": 3, "options": "-c lock_timeout=5000", "application_name": "strangler-migrate"},
)

with engine.connect() as connection:
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
    connection.commit()
    context.configure(connection=connection, version_table="alembic_version", version_table_schema=SCHEMA)
    with context.begin_transaction():
        context.run_migrations()
