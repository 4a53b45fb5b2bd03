"""The table of this domain and its form on the wire."""

from __future__ import annotations

from sqlalchemy import Column, Table, Text, Uuid

from services.kit.tables import Moment, metadata
from services.kit.wire import WireTable

users = Table(
    "users",
    metadata,
    Column("id", Uuid),
    Column("email", Text),
    Column("full_name", Text),
    Column("role", Text),
    Column("created_at", Moment),
    Column("last_login", Moment),
)

USER = WireTable(users)
