"""Every statement about production runs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select, update

from services.kit.unit import ReadSession, WriteSession
from services.kit.wire import WireRow
from services.runs.schemas import RunChange
from services.runs.tables import RUN, production_runs

_runs = production_runs.c
_NEWEST = select(*RUN.columns).order_by(_runs.started_at.desc())
_ONE = select(*RUN.columns).where(_runs.id == bindparam("run_id"))
_ADD = insert(production_runs).returning(*RUN.columns)
_CHANGE = (
    update(production_runs)
    .where(_runs.id == bindparam("run_id"))
    .values(
        {
            column: func.coalesce(bindparam(f"new_{column.name}", type_=column.type), column)
            for column in (_runs.status, _runs.ended_at, _runs.summary)
        }
    )
    .returning(*RUN.columns)
)


async def newest(session: ReadSession) -> list[WireRow]:
    """Every run, newest first."""
    return [RUN.row(row) for row in await session.rows(_NEWEST)]


async def find(session: ReadSession, run_id: UUID) -> WireRow | None:
    """The run of this id."""
    row = await session.first(_ONE, {"run_id": run_id})
    return None if row is None else RUN.row(row)


async def add(session: WriteSession, values: dict[str, Any]) -> WireRow:
    """Insert the given columns and return the whole row."""
    return RUN.row(await session.add(_ADD, values))


async def update_given(session: WriteSession, run_id: UUID, change: RunChange) -> WireRow | None:
    """Set the columns that are not null in `change`; None when there is no such run."""
    row = await session.change(
        _CHANGE,
        {
            "run_id": run_id,
            "new_status": change.status,
            "new_ended_at": change.ended_at,
            "new_summary": change.summary,
        },
    )
    return None if row is None else RUN.row(row)
