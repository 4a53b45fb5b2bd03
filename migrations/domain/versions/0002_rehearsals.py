"""What the new side needs beside legacy's tables: capture of what a rehearsal writes, and the outbox.

The triggers fire only in a transaction that sets `strangler.run` (ADR 0016); for every other writer each row costs the
test of a setting. Making one waits for the writers of its table and lets none pass meanwhile, hence `lock_timeout` in
`env.py`. Going back drops the schema with what waits in the outbox; legacy's tables are as they were.
"""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CAPTURED = ("users", "production_runs", "lots", "lot_genealogy", "qc_decisions")


def upgrade() -> None:
    """Make the schema, then capture the tables that handlers write to."""
    whole = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
    op.get_bind().exec_driver_sql(whole, execution_options={"no_parameters": True})
    for name in CAPTURED:
        op.execute(f"SELECT strangler.capture('public.{name}')")


def downgrade() -> None:
    """Take the triggers and the schema away."""
    op.execute("DROP SCHEMA strangler CASCADE")
