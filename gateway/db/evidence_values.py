"""Evidence as it is kept: what is read from the tables, for people and programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.diff.verdict import Mismatch, Outcome
from gateway.message import Side
from gateway.rollout.evidence import Histogram, Stratum
from gateway.shadow.finding import AskedRequest


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """One finding as it was kept. An answer that could not be compared has no mismatches, but a reason."""

    id: int
    route: str
    revision: str
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
    outcome: Outcome
    reason: str
    rescued: bool
    mismatches: tuple[Mismatch, ...]
    request: AskedRequest | None


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One request of a cluster, with the place as it was there and both values."""

    finding: StoredFinding
    where: str
    control: str | None
    candidate: str | None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Mismatches of one kind at one place, or the noise there, or what was not comparable for one reason.

    `place` has `*` for positions and ids; `…` is the rest of a route that has too many places. `kind` is a kind of
    mismatch, or `not_comparable`, where `place` is the reason.
    """

    id: int
    outcome: Outcome
    place: str
    kind: str
    count: int
    first_seen: datetime
    last_seen: datetime
    revision: str
    exemplars: tuple[Exemplar, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleHits:
    """How many requests a rule allowed something of, and when."""

    count: int
    first_hit: datetime
    last_hit: datetime


@dataclass(frozen=True, slots=True)
class StratumSeen:
    """How often legacy served a stratum, and how often both answers could be compared."""

    stratum: Stratum
    served: int
    compared: int
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class VerdictMinute:
    """What one minute's comparisons said."""

    minute: datetime
    revision: str
    counts: dict[str, int]
    control_ms: Histogram
    candidate_ms: Histogram
