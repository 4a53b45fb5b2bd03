"""What one shadowed request left behind, ready to be stored. Secrets are already gone from it.

A finding of another process comes sealed: what is looked at of each is at hand, and its rest stays bytes until somebody
stores it as an example. To make objects of a hundred mismatches takes as long as to serve a client.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from gateway.diff.verdict import Kind, Mismatch, Outcome, Verdict
from gateway.message import Side
from gateway.rollout.evidence import Stratum
from gateway.shadow.served import ServedKind
from gateway.shadow.spots import Spot, spots_of

OVERHEAD: Final = 2 * 1024  # bytes a finding takes beside its texts, roughly
_ACCESS: Final = frozenset({401, 403, 404})


@dataclass(frozen=True, slots=True)
class AskedRequest:
    """The request of a finding, kept so that it can be asked again: redacted, and bounded.

    `headers` leaves out credentials and what belongs to the connection; `body` is None where there was none, or where
    `left_out` says why it was not kept. `role` is the caller's, as in a stratum.
    """

    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    left_out: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one request of a route, with what is needed to look into it.

    `flag_version` is the version of the flag that decided; times are milliseconds; a status is None
    when that side failed, and the verdict's reason then holds the failure's code. `revision` is that of the route's
    rules and new side (`shadow/revision.py`), `rules_hit` the ids of the rules that allowed something. `rescued`: the
    new side should have answered, and legacy did. `target` and `request` are of what somebody may want to look into.
    `spots` and `weight` follow from the others: the places it counts for, and the bytes that it holds, roughly.
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
    revision: str = ""
    stratum: Stratum | None = None
    rescued: bool = False
    rules_hit: tuple[str, ...] = ()
    request: AskedRequest | None = None
    spots: tuple[Spot, ...] = field(init=False, repr=False)
    weight: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Find out at once, where findings are made, what whoever counts and keeps them needs: they do so elsewhere."""
        object.__setattr__(self, "spots", spots_of(self.verdict))
        object.__setattr__(self, "weight", _weight(self))

    @property
    def outcome(self) -> Outcome:
        """The verdict's one word."""
        return self.verdict.outcome

    @property
    def reason(self) -> str:
        """Why both answers could not be compared, or what else there is to say."""
        return self.verdict.reason

    @property
    def broken(self) -> bool:
        """Whether the new side's answer is one that nobody can read: not comparable, and still held against it."""
        return self.verdict.broken

    def opened(self) -> Finding:
        """Itself: it is open."""
        return self

    def first_at(self, spot: Spot) -> Mismatch:
        """The first of its mismatches at one of its places."""
        return (*self.verdict.mismatches, *self.verdict.noise)[spot.first]

    @property
    def disagrees_in_class(self) -> bool:
        """Whether the statuses differ in class or in who may see this, and no rule allows it."""
        one, other = self.control_status, self.candidate_status
        if one is None or other is None or one == other:
            return False
        if not any(each.kind is Kind.STATUS for each in self.verdict.mismatches):
            return False
        return one // 100 != other // 100 or bool(_ACCESS & {one, other})


def _weight(finding: Finding) -> int:
    """The bytes it holds, roughly."""
    verdict, request = finding.verdict, finding.request
    shown = [*verdict.mismatches, *verdict.noise, *(one.mismatch for one in verdict.allowed)]
    texts = sum(len(one.where) + len(one.control or "") + len(one.candidate or "") for one in shown)
    if request is not None:
        texts += len(request.body or "") + sum(len(name) + len(value) for name, value in request.headers)
    return OVERHEAD + len(finding.target) + texts


class Sealed(NamedTuple):
    """A finding that is closed for its way; every field but `whole` is the finding's own."""

    route: str
    revision: str
    request_id: str
    flag_version: int
    authoritative: Side
    outcome: Outcome
    reason: str
    control_status: int | None
    candidate_status: int | None
    control_ms: float
    candidate_ms: float
    disagrees_in_class: bool
    rescued: bool
    rules_hit: tuple[str, ...]
    stratum: Stratum | None
    spots: tuple[Spot, ...]
    broken: bool
    whole: bytes

    @property
    def weight(self) -> int:
        """The bytes it holds, roughly."""
        return OVERHEAD + len(self.whole)

    def opened(self) -> Finding:
        """The finding."""
        finding: Finding = pickle.loads(self.whole)  # noqa: S301 - our own process made it
        return finding


class Matched(NamedTuple):
    """A finding on two answers that agree: it is counted, and nobody will look into it. Its fields are a finding's."""

    route: str
    revision: str
    request_id: str
    at: datetime
    method: str
    stage: str
    flag_version: int
    authoritative: Side
    control_status: int | None
    candidate_status: int | None
    control_ms: float
    candidate_ms: float
    stratum: Stratum
    outcome: Outcome = Outcome.MATCHED
    reason: str = ""
    disagrees_in_class: bool = False
    rescued: bool = False
    rules_hit: tuple[str, ...] = ()
    spots: tuple[Spot, ...] = ()
    broken: bool = False
    weight: int = OVERHEAD

    def opened(self) -> Finding:
        """The finding."""
        return Finding(
            route=self.route,
            request_id=self.request_id,
            at=self.at,
            method=self.method,
            target="",
            stage=self.stage,
            flag_version=self.flag_version,
            authoritative=self.authoritative,
            control_status=self.control_status,
            candidate_status=self.candidate_status,
            control_ms=self.control_ms,
            candidate_ms=self.candidate_ms,
            verdict=Verdict(self.outcome),
            revision=self.revision,
            stratum=self.stratum,
        )


Found = Finding | Sealed | Matched


def sealed(finding: Finding) -> Sealed:
    """The finding, closed."""
    return Sealed(
        route=finding.route,
        revision=finding.revision,
        request_id=finding.request_id,
        flag_version=finding.flag_version,
        authoritative=finding.authoritative,
        outcome=finding.outcome,
        reason=finding.reason,
        control_status=finding.control_status,
        candidate_status=finding.candidate_status,
        control_ms=finding.control_ms,
        candidate_ms=finding.candidate_ms,
        disagrees_in_class=finding.disagrees_in_class,
        rescued=finding.rescued,
        rules_hit=finding.rules_hit,
        stratum=finding.stratum,
        spots=finding.spots,
        broken=finding.broken,
        whole=pickle.dumps(finding, pickle.HIGHEST_PROTOCOL),
    )


class EvidenceSink(Protocol):
    """Where findings go."""

    async def store(self, findings: Sequence[Found]) -> None:
        """Keep the findings; raises ConnectionError when the store cannot be reached."""
        ...

    async def store_served(self, kinds: Mapping[ServedKind, int]) -> None:
        """Count requests that legacy served and nobody compared; raises as `store` does."""
        ...
