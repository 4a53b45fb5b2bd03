"""Every statement about QC decisions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from services.kit.unit import WriteSession
from services.kit.wire import WireRow
from services.qc.tables import DECISION, qc_decisions

_ADD = insert(qc_decisions).returning(*DECISION.columns)


async def add(session: WriteSession, values: dict[str, Any]) -> WireRow:
    """Insert the given columns and return the whole row."""
    return DECISION.row(await session.add(_ADD, values))
