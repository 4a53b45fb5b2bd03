"""What the gate says beside its own reasons, of what is known of a route and lies in no comparison. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.rollout.evidence import RouteEvidence
from gateway.rollout.gate import Answer, Reason

NEVER_COMPARED: Final = Reason(
    "never_compared",
    Answer.INCONCLUSIVE,
    "the route writes and its shadow_write is never, so nothing of it is compared: nothing but force moves it",
)


def taken_back(at: datetime, why: str, evidence: RouteEvidence) -> Reason:
    """Say from when on comparisons count, of a route that was taken back by itself, and whether any does yet.

    Without it a route that was just taken back for its mismatches would seem to have none.
    """
    moment = at.astimezone(UTC)
    counts_from = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
    sentence = (
        f"the route was taken back by itself at {moment:%Y-%m-%d %H:%M:%S} ({why}): "
        f"what was compared before {counts_from:%H:%M:%S} UTC does not count"
    )
    answer = Answer.INCONCLUSIVE if evidence.since is None else Answer.PASS
    return Reason("taken_back", answer, sentence)
