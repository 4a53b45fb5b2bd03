"""What one shadowed request left behind, ready to be stored. Secrets are already gone from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.diff.verdict import Verdict
from gateway.message import Side


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one request of a route, with what is needed to look into it.

    `flag_version` is the version of the flag that decided; times are milliseconds; a status is None
    when that side failed, and the verdict's reason then holds the failure's code.
    """

    route: str
    request_id: str
    at: datetime
    method: str
    target: str
    stage: str
    flag_version: int
    authoritative: Side
    control_status: int | None
    candidate_status: int | None
    control_ms: float
    candidate_ms: float
    verdict: Verdict


class EvidenceSink(Protocol):
    """Where findings go."""

    async def store(self, findings: Sequence[Finding]) -> None:
        """Keep the findings; raises ConnectionError when the store cannot be reached."""
        ...
