"""Every statement about QC decisions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from services.kit.unit import WriteSession
from services.kit.wire import WireRow
from services.qc.tables import DECISION, qc_decisions


async def add(session: WriteSession, values: dict[str, Any]) -> WireRow:
    """Insert the given columns and return the whole row."""
    row = await session.add(insert(qc_decisions).values(values).returning(*DECISION.columns))
    return DECISION.row(row)
