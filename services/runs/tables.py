"""The table of this domain and its form on the wire."""

from __future__ import annotations

from sqlalchemy import Column, Numeric, Table, Text, Uuid

from services.kit.tables import Document, Moment, metadata
from services.kit.wire import WireTable

production_runs = Table(
    "production_runs",
    metadata,
    Column("id", Uuid),
    Column("run_code", Text),
    Column("scenario_id", Uuid),
    Column("operator_id", Uuid),
    Column("status", Text),
    Column("daily_target_kg", Numeric),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Column("summary", Document),
)

RUN = WireTable(production_runs)
