"""What can be done with QC decisions."""

from __future__ import annotations

from services.kit.errors import Refused, refusing
from services.kit.unit import WriteSession
from services.kit.wire import WireRow
from services.qc import repository, rules
from services.qc.alerts import raise_alert
from services.qc.errors import BY_CONSTRAINT, NOTES_MISSING
from services.qc.schemas import NewDecision


async def record(session: WriteSession, decision: NewDecision, *, alerts: bool) -> WireRow:
    """Record a decision; HOLD and FAIL only with notes that say why, and they raise an alert where one is wanted."""
    if not rules.is_explained(decision.decision, decision.notes):
        raise Refused(NOTES_MISSING)
    with refusing(BY_CONSTRAINT):
        recorded = await repository.add(session, decision.given())
    if alerts and rules.raises_alert(decision.decision):
        await raise_alert(session, recorded)
    return recorded
