"""Evidence: counts of verdicts a minute, and the newest findings that somebody may want to look into.

Reversible: going back forgets what was compared, never who answers.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "verdict_counts",
        sa.Column("route", sa.Text, primary_key=True),
        sa.Column("flag_version", sa.BigInteger, primary_key=True),
        sa.Column("minute", sa.DateTime(timezone=True), primary_key=True),
        sa.Column("outcome", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        schema="gateway",
    )
    op.create_table(
        "mismatches",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("flag_version", sa.BigInteger, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("authoritative", sa.Text, nullable=False),
        sa.Column("control_status", sa.Integer),
        sa.Column("candidate_status", sa.Integer),
        sa.Column("control_ms", sa.Double, nullable=False),
        sa.Column("candidate_ms", sa.Double, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("differences", JSONB, nullable=False),
        schema="gateway",
    )
    op.create_index("mismatches_newest", "mismatches", ["route", "outcome", sa.text("id DESC")], schema="gateway")


def downgrade() -> None:
    op.drop_table("mismatches", schema="gateway")
    op.drop_table("verdict_counts", schema="gateway")
