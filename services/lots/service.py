"""What can be done with lots."""

from __future__ import annotations

from services.kit.errors import refusing
from services.kit.unit import ReadSession, WriteSession
from services.kit.wire import WireRow
from services.lots import repository
from services.lots.errors import BY_CONSTRAINT
from services.lots.schemas import NewLot


async def list_newest(session: ReadSession) -> list[WireRow]:
    """The newest lots, at most 100, as legacy lists them."""
    return await repository.newest(session)


async def register(session: WriteSession, lot: NewLot) -> WireRow:
    """Register a lot; a code that is taken or a reference to nothing is refused."""
    with refusing(BY_CONSTRAINT):
        return await repository.add(session, lot.given())
