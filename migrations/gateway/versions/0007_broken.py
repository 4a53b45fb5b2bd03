"""Counts the new side's answers that nobody can read, while legacy's could be read: the gate holds them against it.

A column with a constant default is added without a look at the rows, and a process of the last version goes on writing
without it. Going back drops it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    column = sa.Column("broken", sa.BigInteger, nullable=False, server_default=sa.text("0"))
    op.add_column("verdict_minutes", column, schema="gateway")


def downgrade() -> None:
    """Drop it."""
    op.drop_column("verdict_minutes", "broken", schema="gateway")
