"""What one process sees of one route on the new side: the ledger's figures and the mirror's findings, look by look."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.db.rollbacks import WATCHED, Exemplar
from gateway.diff.verdict import Outcome
from gateway.message import Side
from gateway.metrics.catalogue import BOUNDS
from gateway.proxy.ledger import Ledger, Totals
from gateway.rollout.breach import Baseline, Breach, Seen, Watch, slow_after
from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from gateway.routing.route import Terms
from gateway.shadow.finding import Finding

EXEMPLARS: Final = 5
_COMPARED: Final = (Outcome.MATCHED, Outcome.ALLOWED, Outcome.MISMATCHED)
_STAGES: Final = tuple(Stage)
_NOTHING: Final = Seen()


@dataclass(slots=True)
class Post:
    """A route at one version of its flag, watched from here. `exemplars` are the first requests that went wrong.

    `left_at`: since when the flag is another one, and only what was under way then is still counted.
    """

    flag: Flag
    watch: Watch
    _ledger: Ledger
    _before: Totals
    _legacy: Baseline
    _found: Seen = _NOTHING
    exemplars: list[Exemplar] = field(default_factory=list)
    left_at: float | None = None

    @classmethod
    def at(cls, flag: Flag, terms: Terms, ledger: Ledger) -> Post:
        """Begin to watch: what happened before counts for nothing."""
        return cls(flag, Watch(terms), ledger, _on_new(ledger, flag), _legacy(ledger, flag))

    def heard(self, finding: Finding) -> None:
        """Take a finding about this version of the flag in."""
        outcome = finding.verdict.outcome
        if outcome not in _COMPARED:
            return
        mismatched = outcome is Outcome.MISMATCHED
        had = mismatched and finding.authoritative is Side.NEW and (finding.candidate_status or 500) < 500
        self._found += Seen(compared=1, mismatched=int(mismatched), wrong=int(had))
        if mismatched and len(self.exemplars) < EXEMPLARS:
            places = finding.verdict.mismatches
            self.exemplars.append(Exemplar(finding.request_id, places[0].where if places else ""))

    def look(self) -> Breach | None:
        """Judge what has happened since the last look."""
        now, before = _on_new(self._ledger, self.flag), self._before
        found, self._found, self._before = self._found, _NOTHING, now
        if now == before and found == _NOTHING:
            return None
        legacy, self._legacy = self._legacy, _legacy(self._ledger, self.flag)
        slow = _above(now, legacy) - _above(before, legacy)
        answered = now.answered - before.answered
        seen = Seen(answered, now.failed - before.failed, min(slow, answered)) + found
        return self.watch.saw(seen, legacy)


def _on_new(ledger: Ledger, flag: Flag) -> Totals:
    return ledger.totals(flag.route, Side.NEW, WATCHED)


def _legacy(ledger: Ledger, flag: Flag) -> Baseline:
    totals = ledger.totals(flag.route, Side.LEGACY, _STAGES)
    return Baseline(totals.answered, totals.failed, slow_after(totals.times, BOUNDS))


def _above(totals: Totals, legacy: Baseline) -> int:
    """How many requests took longer than the limit."""
    if legacy.slow_after_s is None:
        return 0
    return sum(totals.times[BOUNDS.index(legacy.slow_after_s) + 1 :])
