"""Flags and the append-only list of their changes.

Reversible: going back drops both tables and with them every flag (all routes are on legacy then).
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STAGES = "('legacy', 'shadow', 'canary', 'new', 'retired')"


def upgrade() -> None:
    op.create_table(
        "flags",
        sa.Column("route", sa.Text, primary_key=True),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("canary", sa.Integer, nullable=False),
        sa.Column("sample", sa.Integer, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
        sa.CheckConstraint(f"stage IN {STAGES}", name="flags_stage"),
        sa.CheckConstraint("canary BETWEEN 0 AND 10000", name="flags_canary"),
        sa.CheckConstraint("sample BETWEEN 0 AND 10000", name="flags_sample"),
        sa.CheckConstraint("version >= 0", name="flags_version"),
        schema="gateway",
    )
    op.create_table(
        "flag_changes",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("move", sa.Text, nullable=False),
        sa.Column("forced", sa.Boolean, nullable=False),
        sa.Column("stage_before", sa.Text, nullable=False),
        sa.Column("canary_before", sa.Integer, nullable=False),
        sa.Column("sample_before", sa.Integer, nullable=False),
        sa.Column("version_before", sa.BigInteger, nullable=False),
        sa.Column("stage_after", sa.Text, nullable=False),
        sa.Column("canary_after", sa.Integer, nullable=False),
        sa.Column("sample_after", sa.Integer, nullable=False),
        sa.Column("version_after", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("route", "version_after", name="flag_changes_route_version"),
        sa.CheckConstraint("version_after > version_before", name="flag_changes_version_grows"),
        schema="gateway",
    )
    op.create_index("flag_changes_newest", "flag_changes", ["route", sa.text("id DESC")], schema="gateway")
    op.execute(
        """
        CREATE FUNCTION gateway.refuse_to_rewrite_history() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'gateway.% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER append_only_rows BEFORE UPDATE OR DELETE ON gateway.flag_changes
        FOR EACH ROW EXECUTE FUNCTION gateway.refuse_to_rewrite_history()
        """
    )
    op.execute(
        """
        CREATE TRIGGER append_only_table BEFORE TRUNCATE ON gateway.flag_changes
        FOR EACH STATEMENT EXECUTE FUNCTION gateway.refuse_to_rewrite_history()
        """
    )


def downgrade() -> None:
    op.drop_table("flag_changes", schema="gateway")
    op.drop_table("flags", schema="gateway")
    op.execute("DROP FUNCTION gateway.refuse_to_rewrite_history()")
