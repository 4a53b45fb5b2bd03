"""The one entry: two observations, the rules and a day become a verdict. Used live and in CI alike.

Pure and total: whatever two backends answer ends in a verdict, in bounded time and memory. What cannot be
read is never equal; what is certain to differ stays a mismatch even when the rest cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial
from itertools import chain

from gateway.diff.body import body_differences, read_body, same_bytes
from gateway.diff.document import Unreadable
from gateway.diff.headers import header_differences
from gateway.diff.pattern import show
from gateway.diff.rules import Circumstances, Difference, Rule, Rules
from gateway.diff.value import brief, cut
from gateway.diff.verdict import Allowance, Kind, Mismatch, Outcome, Verdict
from gateway.diff.walk import MAX_DEPTH, Walk
from gateway.failure import Failure
from gateway.message import Observation

MAX_SHOWN = 100  # mismatches, and as many allowed ones, that a verdict keeps; the others are counted

MAX_DIFFERENCES = 10_000  # of two bodies that are judged; more than that is another document
MAX_WHERE = 500  # characters of a place; keys are the backends' to choose

# failures of the new side itself; any other (the client went away, a loop) says nothing about it
_CANDIDATES_OWN = frozenset(failure for failure in Failure if failure.code.startswith("new_"))


def compare(
    control: Observation, candidate: Observation, rules: Rules, *, today: date, case: str | None = None
) -> Verdict:
    """Judge a candidate's answer (new) by the control's (legacy).

    `case` is the contract case both answer, None on live traffic. No rule allows a failure. Rules whose
    last day is before `today` allow nothing, and the verdict's reason says which one would have.
    """
    if control.failure is not None:
        return Verdict(Outcome.NOT_COMPARABLE, reason=control.failure.code)
    if candidate.failure is not None:
        return _failed(control, candidate.failure)
    at = Circumstances(control.status, candidate.status, today, case)
    judging = _Judging(rules, at)
    for difference in chain(_status(control, candidate), _headers(control, candidate, rules)):
        judging.take(difference)
    unreadable = judging.take_bodies(control, candidate)
    return judging.verdict(unreadable)


def _failed(control: Observation, failure: Failure) -> Verdict:
    if failure not in _CANDIDATES_OWN:
        return Verdict(Outcome.NOT_COMPARABLE, reason=failure.code)
    mismatch = Mismatch(Kind.STATUS, "status", brief(control.status), brief(failure.code))
    return Verdict(Outcome.MISMATCHED, (mismatch,), reason=failure.code)


def _status(control: Observation, candidate: Observation) -> Iterator[Difference]:
    if control.status != candidate.status:
        yield Difference(Kind.STATUS, ("status",), control.status, candidate.status)


def _is_error(answer: Observation) -> bool:
    return answer.status is not None and answer.status >= 400


def _headers(control: Observation, candidate: Observation, rules: Rules) -> Iterator[Difference]:
    return header_differences(control.headers, candidate.headers, more=rules.headers)


class _Judging:
    """Takes differences one by one, asks the rules about each, and keeps a bounded number."""

    def __init__(self, rules: Rules, at: Circumstances) -> None:
        self._rules = rules
        self._at = at
        self._mismatches: list[Mismatch] = []
        self._allowed: list[Allowance] = []
        self._rules_hit: set[str] = set()
        self._expired: dict[str, Rule] = {}
        self._mismatched = 0

    def take(self, difference: Difference) -> None:
        rule, expired = self._rules.judge(difference, self._at)
        if rule is not None:
            # every rule that hits is seen at least once, so that hits can be counted from verdicts
            if len(self._allowed) < MAX_SHOWN or rule.origin not in self._rules_hit:
                self._allowed.append(Allowance(_shown(difference), rule.because, rule.origin))
            self._rules_hit.add(rule.origin)
            return
        if expired is not None:
            self._expired.setdefault(expired.origin, expired)
        self._mismatched += 1
        if len(self._mismatches) < MAX_SHOWN:
            self._mismatches.append(_shown(difference))

    def take_bodies(self, control: Observation, candidate: Observation) -> str:
        """Judge the bodies; the answer is why they could not be compared, empty when they could."""
        if same_bytes(control, candidate):
            return ""
        mine, theirs = read_body(control), read_body(candidate)
        if isinstance(mine, Unreadable):
            return f"{control.side}: {mine.reason}"
        if isinstance(theirs, Unreadable):
            return f"{candidate.side}: {theirs.reason}"
        walk = Walk(partial(self._rules.unordered, at=self._at))
        alike = _is_error(control) == _is_error(candidate)
        for count, difference in enumerate(body_differences(mine, theirs, walk, alike=alike)):
            if count == MAX_DIFFERENCES:
                return f"the bodies differ in more than {MAX_DIFFERENCES} places"
            self.take(difference)
        return f"the bodies differ below {MAX_DEPTH} levels" if walk.too_deep else ""

    def verdict(self, unreadable: str) -> Verdict:
        reasons = [unreadable] if unreadable else []
        if self._mismatched > len(self._mismatches):
            reasons.append(f"{len(self._mismatches)} of {self._mismatched} mismatches are shown")
        reasons += [
            f"the rule in {origin} would allow {rule.where.text}, but ended on {rule.until}"
            for origin, rule in self._expired.items()
        ]
        if self._mismatched:
            outcome = Outcome.MISMATCHED
        elif unreadable:
            outcome = Outcome.NOT_COMPARABLE
        else:
            outcome = Outcome.ALLOWED if self._allowed else Outcome.MATCHED
        return Verdict(outcome, tuple(self._mismatches), tuple(self._allowed), "; ".join(reasons))


def _shown(difference: Difference) -> Mismatch:
    return Mismatch(
        difference.kind, cut(show(difference.place), MAX_WHERE), brief(difference.control), brief(difference.candidate)
    )
