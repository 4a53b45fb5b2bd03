"""Leases, what processes have seen of watched routes, rollbacks that nobody asked for, and plans of rollouts.

Reversible: going back ends plans and forgets why routes were taken back, never who answers; the changes of flags and
their reasons are in flag_changes.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NOW = sa.func.clock_timestamp()


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        schema="gateway",
    )
    op.create_table(
        "watch_tallies",
        sa.Column("route", sa.Text, primary_key=True),
        sa.Column("flag_version", sa.BigInteger, primary_key=True),
        sa.Column("process", sa.Text, primary_key=True),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in (
                *("answered", "failed", "slow", "compared", "mismatched", "wrong"),
                *("legacy", "legacy_failed"),
            )
        ),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        schema="gateway",
    )
    _rollbacks()
    _rollouts()


def _rollbacks() -> None:
    op.create_table(
        "rollbacks",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("flag_version", sa.BigInteger, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("exemplars", JSONB, nullable=False),
        sa.Column("webhook", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.UniqueConstraint("route", "flag_version", name="rollbacks_once"),
        sa.CheckConstraint("webhook IN ('none', 'due', 'sent', 'failed')", name="rollbacks_webhook"),
        schema="gateway",
    )
    op.create_index(
        "rollbacks_due", "rollbacks", ["next_at"], schema="gateway", postgresql_where=sa.text("webhook = 'due'")
    )


def _rollouts() -> None:
    op.create_table(
        "rollouts",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("steps", JSONB, nullable=False),
        sa.Column("bake_s", sa.Double, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("taken", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("why", JSONB, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.Column("step_at", sa.DateTime(timezone=True), nullable=False, server_default=_NOW),
        sa.CheckConstraint("state IN ('running', 'paused', 'done', 'cancelled', 'ended')", name="rollouts_state"),
        sa.CheckConstraint("bake_s >= 0", name="rollouts_bake"),
        schema="gateway",
    )
    op.create_index(
        "rollouts_one_at_a_time",
        "rollouts",
        ["route"],
        unique=True,
        schema="gateway",
        postgresql_where=sa.text("state = 'running' OR state = 'paused'"),
    )
    op.create_index("rollouts_newest", "rollouts", ["route", sa.text("id DESC")], schema="gateway")


def downgrade() -> None:
    for table in ("rollouts", "rollbacks", "watch_tallies", "leases"):
        op.drop_table(table, schema="gateway")
