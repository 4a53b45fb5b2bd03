"""The tables of rollouts and rollbacks in the schema `gateway`, as migrations 0005 and 0006 make them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from gateway.db.tables import metadata

# who of several processes does what only one may do; `until` is of the database's clock
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
)

# what each process has seen on the new side since a flag is at a version; joined, it is what all have seen
watch_tallies = Table(
    "watch_tallies",
    metadata,
    Column("route", Text, primary_key=True),
    Column("flag_version", BigInteger, primary_key=True),
    Column("process", Text, primary_key=True),
    Column("answered", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("slow", BigInteger, nullable=False),
    Column("compared", BigInteger, nullable=False),
    Column("mismatched", BigInteger, nullable=False),
    Column("wrong", BigInteger, nullable=False),
    Column("legacy", BigInteger, nullable=False),
    Column("legacy_failed", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False, server_default=text("0")),
    Column("rescued", BigInteger, nullable=False, server_default=text("0")),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
)

# one row for each route that was taken back by itself; `flag_version` is the one that went wrong
rollbacks = Table(
    "rollbacks",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("route", Text, nullable=False),
    Column("flag_version", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("what", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("exemplars", JSONB, nullable=False),
    Column("webhook", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("route", "flag_version", name="rollbacks_once"),
    CheckConstraint("webhook IN ('none', 'due', 'sent', 'failed')", name="rollbacks_webhook"),
)
Index("rollbacks_due", rollbacks.c.next_at, postgresql_where=text("webhook = 'due'"))

# plans to move a route forward by steps; `steps` are shares of callers in 1/10,000, or the word new
rollouts = Table(
    "rollouts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("route", Text, nullable=False),
    Column("steps", JSONB, nullable=False),
    Column("bake_s", Double, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("taken", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("why", JSONB, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("step_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    CheckConstraint("state IN ('running', 'paused', 'done', 'cancelled', 'ended')", name="rollouts_state"),
    CheckConstraint("bake_s >= 0", name="rollouts_bake"),
)
Index(
    "rollouts_one_at_a_time",
    rollouts.c.route,
    unique=True,
    postgresql_where=text("state = 'running' OR state = 'paused'"),
)
Index("rollouts_newest", rollouts.c.route, rollouts.c.id.desc())
