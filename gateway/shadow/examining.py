"""From two answers to a finding in one call: compared, judged again where legacy was asked again, and written.

Pure; what it is given may travel, and so may what it gives once it is sealed: one trip to another process is enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from gateway.diff.compare import compare
from gateway.diff.noise import judge_again
from gateway.diff.verdict import Outcome, Verdict
from gateway.message import Observation
from gateway.shadow.finding import Finding, Found, Sealed, sealed
from gateway.shadow.recheck import with_reason
from gateway.shadow.record import Basis, Exchange, finding_of


class Matter(NamedTuple):
    """What a finding is made of. The exchange's verdict is what stands as long as nobody has compared."""

    basis: Basis
    exchange: Exchange
    now: datetime

    def judged(self, verdict: Verdict) -> Matter:
        """The same, with this verdict."""
        return self._replace(exchange=replace(self.exchange, verdict=verdict))

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
    return matter.judged(compare(one.control, one.candidate, matter.basis.rules, today=matter.now.date())).finding()


def examine_again(matter: Matter, others: Sequence[Observation]) -> Finding | None:
    """What a mismatch becomes by legacy's further answers; None where these say nothing, so that the first stands."""
    one, rules = matter.exchange, matter.basis.rules
    mismatched = Verdict(Outcome.MISMATCHED)
    verdict = judge_again(mismatched, one.control, others, one.candidate, rules, today=matter.now.date())
    return None if verdict is mismatched else matter.judged(verdict).finding()


# What travels: the basis is at the other end already, and the finding comes back sealed.


def written(basis: Basis, exchange: Exchange, now: datetime) -> Sealed:
    """The finding on an exchange that has its verdict."""
    return sealed(finding_of(exchange, basis, now))


def examined(basis: Basis, exchange: Exchange, now: datetime) -> Sealed:
    """The same as `examine`."""
    return sealed(examine(Matter(basis, exchange, now)))


def examined_again(basis: Basis, exchange: Exchange, now: datetime, *others: Observation) -> Sealed | None:
    """The same as `examine_again`."""
    finding = examine_again(Matter(basis, exchange, now), others)
    return None if finding is None else sealed(finding)


def because(found: Found, reason: str) -> Finding:
    """The finding with one more sentence, which holds nothing secret."""
    finding = found.opened()
    return replace(finding, verdict=with_reason(finding.verdict, reason))
