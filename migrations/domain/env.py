"""Runs the history of the domain tables, in the schema `public` that legacy shares.

The URL comes from the Alembic config's `sqlalchemy.url` (`postgresql+psycopg://`). The version table has
a name of its own, because the gateway's history lives in the same database.
"""

from alembic import context
from sqlalchemy import create_engine, pool, text

VERSION_TABLE = "alembic_version_domain"
LOCK_TIMEOUT = "5s"  # legacy serves from these tables: better to give up than to queue its requests behind us


def run() -> None:
    """Bring the database to the wanted version in one transaction."""
    url = context.config.get_main_option("sqlalchemy.url")
    if not url:
        raise RuntimeError("the domain migrations need sqlalchemy.url in the Alembic config")
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.begin() as connection:
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        context.configure(
            connection=connection,
            target_metadata=None,
            version_table=VERSION_TABLE,
            version_table_schema="public",
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    raise RuntimeError("the domain migrations look at the database before they decide: run them online")
run()
