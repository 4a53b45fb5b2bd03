"""Takes the differences of two answers one by one, asks the rules about each, and makes one verdict of them.

It does not know how differences are found.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.diff.pattern import show
from gateway.diff.rules import Circumstances, Difference, Rule, Rules
from gateway.diff.value import Unreadable, brief, cut
from gateway.diff.verdict import Allowance, Mismatch, Outcome, Verdict

MAX_SHOWN = 100  # mismatches, and as many allowed ones and noise, that a verdict keeps; the others are counted
MAX_WHERE = 500  # characters of a place; keys are the backends' to choose


class Judging:
    """One verdict in the making; it keeps a bounded number of differences.

    `is_noise` says of a difference that no rule allows whether legacy makes it against itself.
    """

    def __init__(self, rules: Rules, at: Circumstances, is_noise: Callable[[Difference], bool] | None = None) -> None:
        self.rules = rules
        self.at = at
        self._is_noise = is_noise
        self._mismatches: list[Mismatch] = []
        self._allowed: list[Allowance] = []
        self._noise: list[Mismatch] = []
        self._rules_hit: set[str] = set()
        self._expired: dict[str, Rule] = {}
        self._mismatched = 0

    def take(self, difference: Difference) -> None:
        """Judge one more difference."""
        rule, expired = self.rules.judge(difference, self.at)
        if rule is not None:
            # every rule that hits is seen at least once, so that hits can be counted from verdicts
            if len(self._allowed) < MAX_SHOWN or rule.origin not in self._rules_hit:
                self._allowed.append(Allowance(_shown(difference), rule.because, rule.origin))
            self._rules_hit.add(rule.origin)
            return
        if self._is_noise is not None and self._is_noise(difference):
            if len(self._noise) < MAX_SHOWN:
                self._noise.append(_shown(difference))
            return
        if expired is not None:
            self._expired.setdefault(expired.origin, expired)
        self._mismatched += 1
        if len(self._mismatches) < MAX_SHOWN:
            self._mismatches.append(_shown(difference))

    def verdict(self, unreadable: Unreadable | None) -> Verdict:
        """The verdict; `unreadable` is why something could not be compared, None when everything was."""
        reasons = [unreadable.reason] if unreadable else []
        outcome = self._outcome(unreadable)
        if self._mismatched > len(self._mismatches):
            reasons.append(f"{len(self._mismatches)} of {self._mismatched} mismatches are shown")
        reasons += [
            f"the rule in {origin} would allow {rule.where.text}, but ended on {rule.until}"
            for origin, rule in self._expired.items()
        ]
        return Verdict(
            outcome,
            tuple(self._mismatches),
            tuple(self._allowed),
            "; ".join(reasons),
            tuple(self._noise),
            broken=unreadable is not None and unreadable.broken and outcome is Outcome.NOT_COMPARABLE,
        )

    def _outcome(self, unreadable: Unreadable | None) -> Outcome:
        if self._mismatched:
            return Outcome.MISMATCHED
        if unreadable:
            return Outcome.NOT_COMPARABLE
        if self._noise:
            return Outcome.NOISE
        return Outcome.ALLOWED if self._allowed else Outcome.MATCHED


def _shown(difference: Difference) -> Mismatch:
    return Mismatch(
        difference.kind, cut(show(difference.place), MAX_WHERE), brief(difference.control), brief(difference.candidate)
    )
