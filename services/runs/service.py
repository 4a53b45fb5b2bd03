"""What can be done with production runs."""

from __future__ import annotations

from uuid import UUID

from services.kit.errors import Refused, refusing
from services.kit.unit import ReadSession, WriteSession
from services.kit.wire import WireRow
from services.runs import repository, rules
from services.runs.errors import BY_CONSTRAINT, RUN_NOT_FOUND
from services.runs.schemas import NewRun, RunChange


def identify(written: str) -> UUID:
    """The id in a path. What is no uuid names no run: 404, which callers already handle, not a 422."""
    run_id = rules.run_id(written)
    if run_id is None:
        raise Refused(RUN_NOT_FOUND)
    return run_id


async def list_newest(session: ReadSession) -> list[WireRow]:
    """Every run, the one started last first."""
    return await repository.newest(session)


async def show(session: ReadSession, run_id: UUID) -> WireRow:
    """One run."""
    return _found(await repository.find(session, run_id))


async def start(session: WriteSession, run: NewRun) -> WireRow:
    """Start a run; it is ACTIVE unless the caller says otherwise."""
    with refusing(BY_CONSTRAINT):
        return await repository.add(session, run.given())


async def change(session: WriteSession, run_id: UUID, change: RunChange) -> WireRow:
    """Set what is given; null leaves a column as it is, as in legacy."""
    return _found(await repository.update_given(session, run_id, change))


def _found(run: WireRow | None) -> WireRow:
    if run is None:
        raise Refused(RUN_NOT_FOUND)
    return run
