"""Tokens of the admin plane, hashed.

Reversible: going back forgets every token; the next start prints a new first one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tokens",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("hash", name="tokens_hash"),
        sa.CheckConstraint("role IN ('viewer', 'operator', 'admin')", name="tokens_role"),
        sa.CheckConstraint("octet_length(hash) = 32", name="tokens_sha256"),
        schema="gateway",
    )
    op.create_index(
        "tokens_live_name",
        "tokens",
        ["name"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
        schema="gateway",
    )


def downgrade() -> None:
    op.drop_table("tokens", schema="gateway")
