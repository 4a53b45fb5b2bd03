"""What can be asked about a lot's origin and use."""

from __future__ import annotations

from services.kit.errors import Refused
from services.kit.unit import ReadSession
from services.traceability import repository, rules
from services.traceability.errors import LOT_NOT_FOUND
from services.traceability.schemas import Trace


async def trace(session: ReadSession, code: str) -> Trace:
    """The lot of this code with its parents and its children, one level up and down."""
    found = rules.arrange(await repository.neighbours(session, code)) if rules.can_exist(code) else None
    if found is None:
        raise Refused(LOT_NOT_FOUND)
    return found
