"""The tables of the schema `gateway`, as `migrations/gateway` makes them; a test keeps the two equal."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="gateway")

# the flag in force of each route; a route without a row has the default flag, version 0
flags = Table(
    "flags",
    metadata,
    Column("route", Text, primary_key=True),
    Column("stage", Text, nullable=False),
    Column("canary", Integer, nullable=False),
    Column("sample", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("set_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    CheckConstraint("stage IN ('legacy', 'shadow', 'canary', 'new', 'retired')", name="flags_stage"),
    CheckConstraint("canary BETWEEN 0 AND 10000", name="flags_canary"),
    CheckConstraint("sample BETWEEN 0 AND 10000", name="flags_sample"),
    CheckConstraint("version >= 0", name="flags_version"),
)

# append-only: a trigger refuses UPDATE, DELETE and TRUNCATE
flag_changes = Table(
    "flag_changes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("route", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("move", Text, nullable=False),
    Column("forced", Boolean, nullable=False),
    Column("stage_before", Text, nullable=False),
    Column("canary_before", Integer, nullable=False),
    Column("sample_before", Integer, nullable=False),
    Column("version_before", BigInteger, nullable=False),
    Column("stage_after", Text, nullable=False),
    Column("canary_after", Integer, nullable=False),
    Column("sample_after", Integer, nullable=False),
    Column("version_after", BigInteger, nullable=False),
    UniqueConstraint("route", "version_after", name="flag_changes_route_version"),
    CheckConstraint("version_after > version_before", name="flag_changes_version_grows"),
)
Index("flag_changes_newest", flag_changes.c.route, flag_changes.c.id.desc())

tokens = Table(
    "tokens",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("revoked_at", DateTime(timezone=True)),
    UniqueConstraint("hash", name="tokens_hash"),
    CheckConstraint("role IN ('viewer', 'operator', 'admin')", name="tokens_role"),
    CheckConstraint("octet_length(hash) = 32", name="tokens_sha256"),
)
Index("tokens_live_name", tokens.c.name, unique=True, postgresql_where=text("revoked_at IS NULL"))

verdict_counts = Table(
    "verdict_counts",
    metadata,
    Column("route", Text, primary_key=True),
    Column("flag_version", BigInteger, primary_key=True),
    Column("minute", DateTime(timezone=True), primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

# findings that somebody may want to look into, the newest of each route and outcome
mismatches = Table(
    "mismatches",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("route", Text, nullable=False),
    Column("flag_version", BigInteger, nullable=False),
    Column("stage", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("method", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("authoritative", Text, nullable=False),
    Column("control_status", Integer),
    Column("candidate_status", Integer),
    Column("control_ms", Double, nullable=False),
    Column("candidate_ms", Double, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("differences", JSONB, nullable=False),
)
Index("mismatches_newest", mismatches.c.route, mismatches.c.outcome, mismatches.c.id.desc())
