"""The tables of the schema `gateway`, as `migrations/gateway` makes them; a test keeps the two equal."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    ARRAY,
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

# what a minute of comparisons is counted by
COUNTS: Final = (
    "matched",
    "allowed",
    "mismatched",
    "noise",
    "not_comparable",
    "class_disagreements",
    "control_errors",
    "candidate_errors",
    "rescued",
    "broken",
)

# those that a process of an earlier version writes no number for
_LATER: Final = {"broken": text("0")}

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

# what comparisons said, a row for each minute of the database's clock; `*_ms` are counts by the buckets of
# gateway/rollout/evidence.py
verdict_minutes = Table(
    "verdict_minutes",
    metadata,
    Column("route", Text, primary_key=True),
    Column("revision", Text, primary_key=True),
    Column("minute", DateTime(timezone=True), primary_key=True),
    *(Column(name, BigInteger, nullable=False, server_default=_LATER.get(name)) for name in COUNTS),
    Column("control_ms", ARRAY(Integer), nullable=False),
    Column("candidate_ms", ARRAY(Integer), nullable=False),
)

# one row for each kind of difference at a place; `outcome` tells mismatches from noise and from what was not comparable
mismatch_clusters = Table(
    "mismatch_clusters",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("route", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("first_seen", DateTime(timezone=True), nullable=False),
    Column("last_seen", DateTime(timezone=True), nullable=False),
    Column("revision", Text, nullable=False),  # when it was last seen
    UniqueConstraint("route", "outcome", "place", "kind", name="mismatch_clusters_one"),
)

# requests that stand as examples for clusters, and where each of them differed. No foreign keys: any of these tables
# may be emptied at any time
findings = Table(
    "findings",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("route", Text, nullable=False),
    Column("revision", Text, nullable=False),
    Column("flag_version", BigInteger, nullable=False),
    Column("stage", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("stored_at", DateTime(timezone=True), nullable=False),
    Column("method", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("authoritative", Text, nullable=False),
    Column("control_status", Integer),
    Column("candidate_status", Integer),
    Column("control_ms", Double, nullable=False),
    Column("candidate_ms", Double, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("rescued", Boolean, nullable=False),
    Column("differences", JSONB, nullable=False),
    Column("request", JSONB(none_as_null=True)),
    Column("size", Integer, nullable=False),  # bytes, roughly
)
Index("findings_of_route", findings.c.route, findings.c.id.desc())

exemplars = Table(
    "exemplars",
    metadata,
    Column("cluster", BigInteger, primary_key=True),
    Column("finding", BigInteger, primary_key=True),
    Column("where", Text, nullable=False),
    Column("control", Text),
    Column("candidate", Text),
)
Index("exemplars_of_finding", exemplars.c.finding)

rule_hits = Table(
    "rule_hits",
    metadata,
    Column("route", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("hits", BigInteger, nullable=False),
    Column("first_hit", DateTime(timezone=True), nullable=False),
    Column("last_hit", DateTime(timezone=True), nullable=False),
)

strata = Table(
    "strata",
    metadata,
    Column("route", Text, primary_key=True),
    Column("revision", Text, primary_key=True),
    Column("digest", Text, primary_key=True),  # of `stratum`
    Column("stratum", JSONB, nullable=False),
    Column("served", BigInteger, nullable=False),
    Column("compared", BigInteger, nullable=False),
    Column("first_seen", DateTime(timezone=True), nullable=False),
    Column("last_seen", DateTime(timezone=True), nullable=False),
)

# the key of what is hidden in evidence, one for each installation; whoever can read it can try out short secrets
evidence_key = Table(
    "evidence_key",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("key", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="evidence_key_one"),
)

EVIDENCE = (verdict_minutes, mismatch_clusters, findings, exemplars, rule_hits, strata, evidence_key)
