"""The table of this domain and its form on the wire."""

from __future__ import annotations

from sqlalchemy import Column, Numeric, Table, Text, Uuid

from services.kit.tables import Moment, metadata
from services.kit.wire import WireTable

qc_decisions = Table(
    "qc_decisions",
    metadata,
    Column("id", Uuid),
    Column("lot_id", Uuid),
    Column("qc_gate_id", Uuid),
    Column("operator_id", Uuid),
    Column("decision", Text),
    Column("notes", Text),
    Column("temperature_c", Numeric),
    Column("digital_signature", Text),
    Column("decided_at", Moment),
)

DECISION = WireTable(qc_decisions)
