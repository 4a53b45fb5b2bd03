"""Evidence by revision and minute, mismatches in clusters with a few examples each, hits of rules, strata.

It replaces the tables of 0003. Reversible in form: what was compared until then is forgotten either way, since evidence
that does not know the revision it is about is worth nothing to the gate.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COUNTS = (
    "matched",
    "allowed",
    "mismatched",
    "noise",
    "not_comparable",
    "class_disagreements",
    "control_errors",
    "candidate_errors",
    "rescued",
)


def upgrade() -> None:
    op.drop_table("mismatches", schema="gateway")
    op.drop_table("verdict_counts", schema="gateway")
    _counts()
    _examples()
    op.create_table(
        "evidence_key",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("id = 1", name="evidence_key_one"),
        schema="gateway",
    )


def _counts() -> None:
    op.create_table(
        "verdict_minutes",
        sa.Column("route", sa.Text, primary_key=True),
        sa.Column("revision", sa.Text, primary_key=True),
        sa.Column("minute", sa.DateTime(timezone=True), primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in _COUNTS),
        sa.Column("control_ms", sa.ARRAY(sa.Integer), nullable=False),
        sa.Column("candidate_ms", sa.ARRAY(sa.Integer), nullable=False),
        schema="gateway",
    )
    op.create_table(
        "rule_hits",
        sa.Column("route", sa.Text, primary_key=True),
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("hits", sa.BigInteger, nullable=False),
        sa.Column("first_hit", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_hit", sa.DateTime(timezone=True), nullable=False),
        schema="gateway",
    )
    op.create_table(
        "strata",
        sa.Column("route", sa.Text, primary_key=True),
        sa.Column("revision", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("stratum", JSONB, nullable=False),
        sa.Column("served", sa.BigInteger, nullable=False),
        sa.Column("compared", sa.BigInteger, nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        schema="gateway",
    )


def _examples() -> None:
    op.create_table(
        "mismatch_clusters",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
        sa.UniqueConstraint("route", "outcome", "place", "kind", name="mismatch_clusters_one"),
        schema="gateway",
    )
    op.create_table(
        "findings",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("revision", sa.Text, nullable=False),
        sa.Column("flag_version", sa.BigInteger, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("authoritative", sa.Text, nullable=False),
        sa.Column("control_status", sa.Integer),
        sa.Column("candidate_status", sa.Integer),
        sa.Column("control_ms", sa.Double, nullable=False),
        sa.Column("candidate_ms", sa.Double, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("rescued", sa.Boolean, nullable=False),
        sa.Column("differences", JSONB, nullable=False),
        sa.Column("request", JSONB),
        sa.Column("size", sa.Integer, nullable=False),
        schema="gateway",
    )
    op.create_index("findings_of_route", "findings", ["route", sa.text("id DESC")], schema="gateway")
    op.create_table(
        "exemplars",
        sa.Column("cluster", sa.BigInteger, primary_key=True),
        sa.Column("finding", sa.BigInteger, primary_key=True),
        sa.Column("where", sa.Text, nullable=False),
        sa.Column("control", sa.Text),
        sa.Column("candidate", sa.Text),
        schema="gateway",
    )
    op.create_index("exemplars_of_finding", "exemplars", ["finding"], schema="gateway")


def downgrade() -> None:
    for table in (
        "verdict_minutes",
        "rule_hits",
        "strata",
        "mismatch_clusters",
        "findings",
        "exemplars",
        "evidence_key",
    ):
        op.drop_table(table, schema="gateway")
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
