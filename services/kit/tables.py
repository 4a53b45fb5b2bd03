"""Tables that more than one domain asks; a table of one domain is in that domain's `tables.py`.

The order of the columns is the order of the keys on the wire. Defaults and constraints belong to
`migrations/domain`.
"""

from __future__ import annotations

from sqlalchemy import Column, DateTime, MetaData, Numeric, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="public")

Document = JSONB(none_as_null=True)
Moment = DateTime(timezone=True)

lots = Table(
    "lots",
    metadata,
    Column("id", Uuid),
    Column("lot_code", Text),
    Column("lot_type", Text),
    Column("production_run_id", Uuid),
    Column("phase_id", Uuid),
    Column("operator_id", Uuid),
    Column("weight_kg", Numeric),
    Column("temperature_c", Numeric),
    Column("metadata", Document),
    Column("created_at", Moment),
)
