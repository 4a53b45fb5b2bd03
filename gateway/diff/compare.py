"""The one entry: two observations, the rules and a day become a verdict. Used live and in CI alike.

Pure and total: whatever two backends answer ends in a verdict, in bounded time and memory. What cannot be
read is never equal; what is certain to differ stays a mismatch even when the rest cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from itertools import chain
from typing import Final

from gateway.diff.body import body_differences, read_body, same_bytes
from gateway.diff.guides import ByRules
from gateway.diff.headers import header_differences
from gateway.diff.judging import Judging
from gateway.diff.rules import Circumstances, Difference, Rules
from gateway.diff.value import Unreadable, brief
from gateway.diff.verdict import Kind, Mismatch, Outcome, Verdict
from gateway.diff.walk import MAX_DEPTH, Guide, Walk
from gateway.failure import Failure
from gateway.message import Observation

_NOT_MODIFIED: Final = 304
_VERSIONS: Final = (b"etag", b"last-modified")
MAX_DIFFERENCES: Final = 10_000  # of two bodies that are judged; more than that is another document

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
    conditional = _unmodified(control, candidate)
    if conditional:
        return Verdict(Outcome.NOT_COMPARABLE, reason=conditional)
    judging = Judging(rules, Circumstances(control.status, candidate.status, today, case))
    unreadable = take_differences(control, candidate, rules, judging.take, ByRules(rules, judging.at))
    return judging.verdict(unreadable)


def _failed(control: Observation, failure: Failure) -> Verdict:
    if failure not in _CANDIDATES_OWN:
        return Verdict(Outcome.NOT_COMPARABLE, reason=failure.code)
    mismatch = Mismatch(Kind.STATUS, "status", brief(control.status), brief(failure.code))
    return Verdict(Outcome.MISMATCHED, (mismatch,), reason=failure.code)


def _unmodified(control: Observation, candidate: Observation) -> str:
    """Why an answer without content says nothing beside one with it; empty when it is not so.

    A conditional request names a version that one side gave the client; the other never heard of it. Where
    neither answer has a version, no request can have named one.
    """
    if not any(side.header(name) for side in (control, candidate) for name in _VERSIONS):
        return ""
    for one, other in ((control, candidate), (candidate, control)):
        if one.status == _NOT_MODIFIED and other.status is not None and 200 <= other.status < 300:
            return f"{one.side}: the request is conditional, and the answer that nothing has changed"
    return ""


def take_differences(
    control: Observation,
    candidate: Observation,
    rules: Rules,
    take: Callable[[Difference], None],
    guide: Guide,
) -> Unreadable | None:
    """Give every difference of two answers to `take`; the answer is why some were not looked for, if some were not."""
    headers = header_differences(control.headers, candidate.headers, more=rules.headers)
    for difference in chain(_status(control, candidate), headers):
        take(difference)
    if same_bytes(control, candidate):
        return None
    mine, theirs = read_body(control), read_body(candidate)
    if isinstance(mine, Unreadable):
        return Unreadable(f"{control.side}: {mine.reason}")
    if isinstance(theirs, Unreadable):
        return Unreadable(f"{candidate.side}: {theirs.reason}", theirs.broken)
    walk = Walk(guide)
    alike = _is_error(control) == _is_error(candidate)
    for count, difference in enumerate(body_differences(mine, theirs, walk, alike=alike)):
        if count == MAX_DIFFERENCES:
            return Unreadable(f"the bodies differ in more than {MAX_DIFFERENCES} places")
        take(difference)
    return Unreadable(f"the bodies differ below {MAX_DEPTH} levels") if walk.too_deep else None


def _status(control: Observation, candidate: Observation) -> Iterator[Difference]:
    if control.status != candidate.status:
        yield Difference(Kind.STATUS, ("status",), control.status, candidate.status)


def _is_error(answer: Observation) -> bool:
    return answer.status is not None and answer.status >= 400
