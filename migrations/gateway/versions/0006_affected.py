"""What makes the number of affected requests right for each cause: slow ones that are nothing else, and rescued ones.

Columns with a constant default are added without a look at the rows, and a process of the last version goes on writing
without them. Going back drops the two.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

COLUMNS = ("late", "rescued")


def upgrade() -> None:
    """Add the columns."""
    for name in COLUMNS:
        column = sa.Column(name, sa.BigInteger, nullable=False, server_default=sa.text("0"))
        op.add_column("watch_tallies", column, schema="gateway")


def downgrade() -> None:
    """Drop them."""
    for name in COLUMNS:
        op.drop_column("watch_tallies", name, schema="gateway")
