"""A rehearsal that empties a table is told: no row of it is captured, and everybody waits for its lock.

Making a trigger waits for the writers of its table and lets none pass meanwhile, hence `lock_timeout` in `env.py`.
Going back takes the triggers away; a table is captured as it was before.
"""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_AGAIN = "SELECT strangler.capture(tgrelid) FROM pg_trigger WHERE tgname = 'zz_strangler_captured'"


def upgrade() -> None:
    """Make the function, and the trigger of every table that is captured."""
    whole = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(whole, execution_options={"no_parameters": True})
    op.execute(_AGAIN)


def downgrade() -> None:
    """Take both away, and capture as migration 0002 does."""
    op.execute("DROP FUNCTION strangler.emptied() CASCADE")
    whole = Path(__file__).with_name("0002_rehearsals.sql").read_text(encoding="utf-8")
    made = whole[whole.index("create function strangler.capture(") :]
    first = made[: made.index("end $$;") + len("end $$;")].replace("create function", "create or replace function")
    op.get_bind().exec_driver_sql(first, execution_options={"no_parameters": True})
