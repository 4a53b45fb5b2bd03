"""From two answers to a finding in one call: compared, judged again where legacy was asked again, and written.

Pure; what it is given may travel, and so may what it gives once it is `closed`: one trip to another process is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import overload

from gateway.diff.compare import compare
from gateway.diff.noise import judge_again
from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome, Verdict
from gateway.message import Observation
from gateway.shadow.finding import Finding, Found, Sealed, sealed
from gateway.shadow.recheck import with_reason
from gateway.shadow.record import Basis, Exchange, finding_of


@dataclass(frozen=True, slots=True)
class Matter:
    """What a finding is made of. The exchange's verdict is what stands as long as nobody has compared."""

    exchange: Exchange
    rules: Rules
    basis: Basis
    now: datetime

    def judged(self, verdict: Verdict) -> Matter:
        """The same, with this verdict."""
        return replace(self, exchange=replace(self.exchange, verdict=verdict))

    @property
    def size(self) -> int:
        """The bytes of all its bodies."""
        one = self.exchange
        asked = one.request.body if isinstance(one.request.body, bytes) else b""
        return len(asked) + len(one.control.body) + len(one.candidate.body)

    def finding(self) -> Finding:
        """The finding as it stands."""
        return finding_of(self.exchange, self.basis, self.now)


def examine(matter: Matter) -> Finding:
    """The finding on what both sides answered."""
    one = matter.exchange
    return matter.judged(compare(one.control, one.candidate, matter.rules, today=matter.now.date())).finding()


def examine_again(matter: Matter, again: Observation) -> Finding | None:
    """What a mismatch becomes with legacy's second answer; None where that says nothing, so that the first stands."""
    one = matter.exchange
    mismatched = Verdict(Outcome.MISMATCHED)
    verdict = judge_again(mismatched, one.control, again, one.candidate, matter.rules, today=matter.now.date())
    return None if verdict is mismatched else matter.judged(verdict).finding()


@overload
def closed(work: Callable[[], Finding]) -> Sealed: ...


@overload
def closed(work: Callable[[], Finding | None]) -> Sealed | None: ...


def closed(work: Callable[[], Finding | None]) -> Sealed | None:
    """The finding that somebody's work comes to, sealed for its way."""
    finding = work()
    return None if finding is None else sealed(finding)


def because(found: Found, reason: str) -> Finding:
    """The finding with one more sentence, which holds nothing secret."""
    finding = found.opened()
    return replace(finding, verdict=with_reason(finding.verdict, reason))
