"""The tables this domain reads: lots, and which lot went into which."""

from __future__ import annotations

from sqlalchemy import Column, Table, Uuid

from services.kit.tables import Moment, lots, metadata
from services.kit.wire import WireTable

genealogy = Table(
    "lot_genealogy",
    metadata,
    Column("parent_lot_id", Uuid),
    Column("child_lot_id", Uuid),
    Column("linked_at", Moment),
)

LOT = WireTable(lots)

__all__ = ["LOT", "genealogy", "lots"]
