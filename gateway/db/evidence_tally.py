"""A batch of findings as what the tables count: minutes, hits, strata, clusters with examples. No input, no output.

Whatever the texts of a finding are, what leaves here can be stored.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from gateway.db.tables import COUNTS
from gateway.diff.cluster import ANY
from gateway.diff.verdict import Mismatch, Outcome
from gateway.rollout.evidence import Histogram, Stratum
from gateway.shadow.finding import Finding, Found
from gateway.shadow.record import LOOKED_INTO
from gateway.shadow.spots import Spot

EXAMPLES: Final = 5  # of one cluster
DIFFERENCES: Final = 100  # of one finding; a body that differs everywhere says no more with its rest
TEXT: Final = 4_096  # characters of a target or a value
PLACE: Final = 500
FEW: Final = 10  # findings, which are added up in less than a millisecond unless they differ everywhere
MANY: Final = "…"  # stands for every place or stratum beyond those a route may have

_OWN: Final = re.compile(r"(?<=the key ).+(?= in one object)|(?:(?<=character )|(?<=line )|(?<=past ))[0-9]+")

ClusterKey = tuple[str, str, str, str]  # route, outcome, place, kind
StratumKey = tuple[str, str, Stratum]  # route, revision
Revised = tuple[str, str]  # route, revision


@dataclass(slots=True)
class Minute:
    """What is added to one row of a route and revision."""

    counts: Counter[str] = field(default_factory=Counter)
    control_ms: list[float] = field(default_factory=list)
    candidate_ms: list[float] = field(default_factory=list)

    def take(self, finding: Found) -> None:
        """Count one finding. Most have nothing but their outcome and times to count."""
        counts, outcome = self.counts, finding.outcome
        control, candidate = finding.control_status, finding.candidate_status
        counts[outcome] += 1
        if finding.disagrees_in_class:
            counts["class_disagreements"] += 1
        if finding.rescued:
            counts["rescued"] += 1
        if finding.broken:
            counts["broken"] += 1
        if control is None or control >= 500:
            counts["control_errors"] += 1
        if candidate is None:  # by its own fault where that made the verdict, or where legacy failed the same request
            counts["candidate_errors"] += outcome is Outcome.MISMATCHED or control is None
        else:
            if candidate >= 500:
                counts["candidate_errors"] += 1
            self.candidate_ms.append(finding.candidate_ms)
        if control is not None and not finding.rescued:  # nobody measured a rescue's times
            self.control_ms.append(finding.control_ms)

    def row(self) -> dict[str, Any]:
        """The counts, and the times by bucket."""
        return {
            **{name: self.counts[name] for name in COUNTS},
            "control_ms": list(Histogram.of(self.control_ms).counts),
            "candidate_ms": list(Histogram.of(self.candidate_ms).counts),
        }


@dataclass(slots=True)
class Sighting:
    """What is added to one cluster; `examples` are the newest last."""

    revision: str
    count: int = 0
    examples: list[tuple[Found, Spot | None]] = field(default_factory=list)

    def see(self, finding: Found, spot: Spot | None, *, kept: bool) -> None:
        """Count a request that differed here, and keep it as an example if it may be one."""
        self.count += 1
        if kept:
            self.examples.append((finding, spot))
            del self.examples[:-EXAMPLES]

    def join(self, other: Sighting) -> None:
        """Take what another cluster has counted; a request that stands for both stands for them once."""
        self.count += other.count
        known = {id(finding) for finding, _ in self.examples}
        fresh = [one for one in other.examples if id(one[0]) not in known]
        self.examples = [*self.examples, *fresh][-EXAMPLES:]


@dataclass(slots=True)
class Seen:
    """What is added to one stratum."""

    served: int = 0
    compared: int = 0

    def join(self, other: Seen) -> None:
        self.served += other.served
        self.compared += other.compared


@dataclass(slots=True)
class Tally:
    """A batch, added up."""

    minutes: dict[Revised, Minute] = field(default_factory=dict)
    hits: Counter[tuple[str, str]] = field(default_factory=Counter)
    strata: dict[StratumKey, Seen] = field(default_factory=dict)
    clusters: dict[ClusterKey, Sighting] = field(default_factory=dict)

    def add(self, finding: Found) -> None:
        """Add one finding."""
        about = (finding.route, finding.revision)
        if (minute := self.minutes.get(about)) is None:
            minute = self.minutes[about] = Minute()
        minute.take(finding)
        for rule in finding.rules_hit:
            self.hits[finding.route, rule] += 1
        if finding.stratum is not None and finding.control_status is not None:
            kind = (*about, finding.stratum)
            if (seen := self.strata.get(kind)) is None:
                seen = self.strata[kind] = Seen()
            seen.served += 1
            seen.compared += finding.outcome is not Outcome.NOT_COMPARABLE
        for key, spot in _places(finding).items():
            if (sighting := self.clusters.get(key)) is None:
                sighting = self.clusters[key] = Sighting(finding.revision)
            sighting.see(finding, spot, kept=key[1] in LOOKED_INTO)


async def tally(findings: Sequence[Found]) -> Tally:
    """Add findings up, with a pause for the clients of this loop after every few."""
    tallied = Tally()
    for number, finding in enumerate(findings, 1):
        tallied.add(finding)
        if number % FEW == 0:
            await asyncio.sleep(0)
    return tallied


@lru_cache(maxsize=4_096)
def digest(stratum: Stratum) -> str:
    """The name of a stratum's row."""
    return sha256(json.dumps(asdict(stratum), sort_keys=True).encode()).hexdigest()[:32]


def _places(finding: Found) -> dict[ClusterKey, Spot | None]:
    """Where a request differed, each cluster once; what could not be compared differs by its reason."""
    route, outcome = finding.route, finding.outcome
    if outcome is Outcome.NOT_COMPARABLE:
        return {(route, outcome.value, _why(finding.reason), outcome.value): None}
    found: dict[ClusterKey, Spot | None] = {}
    for spot in finding.spots:  # two places may be one without what cannot be stored
        found.setdefault((route, spot.outcome.value, clean(spot.place, PLACE), spot.kind.value), spot)
    return found


def _why(reason: str) -> str:
    """A reason without what each answer has of its own: broken ones must not take the room of what differs."""
    return clean(_OWN.sub(ANY, reason), PLACE)


def overflow_of(key: ClusterKey) -> ClusterKey:
    """The cluster that counts what a route has no room for."""
    route, outcome, _, kind = key
    return (route, outcome, MANY, kind)


def overflow_stratum(key: StratumKey) -> StratumKey:
    """The stratum that counts what a route has no room for."""
    route, revision, one = key
    return (route, revision, Stratum(one.method, one.status_class, (), (), MANY, ""))


def finding_row(finding: Finding) -> dict[str, Any]:
    """What is stored of an example."""
    verdict, request = finding.verdict, finding.request
    row = {
        "route": finding.route,
        "revision": finding.revision,
        "flag_version": finding.flag_version,
        "stage": finding.stage,
        "request_id": clean(finding.request_id),
        "at": finding.at,
        "method": clean(finding.method),
        "target": clean(finding.target),
        "authoritative": finding.authoritative.value,
        "control_status": finding.control_status,
        "candidate_status": finding.candidate_status,
        "control_ms": finding.control_ms,
        "candidate_ms": finding.candidate_ms,
        "outcome": verdict.outcome.value,
        "reason": clean(verdict.reason),
        "rescued": finding.rescued,
        "differences": [_difference(mismatch) for mismatch in verdict.mismatches[:DIFFERENCES]],
        "request": None
        if request is None
        else {
            "headers": [[clean(name), clean(value)] for name, value in request.headers],
            "body": None if request.body is None else clean(request.body, len(request.body)),
            "left_out": request.left_out,
            "role": clean(request.role),
        },
    }
    return {**row, "size": min(finding.weight, 2**31 - 1)}


def exemplar_row(cluster: int, number: int, finding: Finding, spot: Spot | None) -> dict[str, Any]:
    """Where an example, stored under a number, differed for one of its clusters."""
    if spot is None:
        return {"cluster": cluster, "finding": number, "where": "", "control": None, "candidate": None}
    shown = _difference(finding.first_at(spot))
    return {"cluster": cluster, "finding": number, **{name: shown[name] for name in ("where", "control", "candidate")}}


def _difference(mismatch: Mismatch) -> dict[str, str | None]:
    return {
        "kind": mismatch.kind.value,
        "where": clean(mismatch.where),
        "control": None if mismatch.control is None else clean(mismatch.control),
        "candidate": None if mismatch.candidate is None else clean(mismatch.candidate),
    }


def clean(text: str, most: int = TEXT) -> str:
    """The text without what PostgreSQL cannot hold (NUL, lone surrogates): one odd answer must not lose a batch."""
    return text[:most].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
