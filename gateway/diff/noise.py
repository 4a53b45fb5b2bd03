"""The recheck: legacy was asked again, and where it disagrees with itself the candidate is not to blame.

Pure. It excuses a difference only where legacy shows one of the same kind, and only what could be legacy's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Final

from gateway.diff.body import read_body
from gateway.diff.compare import compare, take_differences
from gateway.diff.document import Document
from gateway.diff.guides import ByRules, Orderless
from gateway.diff.judging import Judging
from gateway.diff.rules import Circumstances, Difference, Rules
from gateway.diff.unrest import Unrest
from gateway.diff.value import ABSENT, Found
from gateway.diff.verdict import Kind, Outcome, Verdict
from gateway.message import Observation

_EQUAL: Final = (Outcome.MATCHED, Outcome.ALLOWED)  # to one of legacy's own: settled, new says what legacy says now


def judge_again(
    verdict: Verdict,
    control: Observation,
    others: Sequence[Observation],
    candidate: Observation,
    rules: Rules,
    *,
    today: date,
) -> Verdict:
    """The verdict by all that legacy says: its first answer, the `control`, and the `others` it gave when asked again.

    Only a mismatch is judged again. The verdict stays when the others say nothing: they are failures,
    cannot be read, or have a status that neither the first one nor the candidate has.
    """
    if verdict.outcome is not Outcome.MISMATCHED or control.failure or candidate.failure:
        return verdict
    answers = [other for other in others if not other.failure and other.status in (control.status, candidate.status)]
    at = Circumstances(control.status, candidate.status, today)
    unrest = list[Unrest]()
    # where legacy gave both statuses, what new says beside its own is judged by what legacy says beside the same
    base = next((answer for answer in (control, *answers) if answer.status == candidate.status), control)
    if base is not control:
        unrest.append(Unrest(partial(_values, control, base, candidate)))
        unrest[0].take(Difference(Kind.STATUS, ("status",), control.status, base.status))
    for answer in answers:
        if answer is not base and answer.status == base.status:
            one = Unrest(partial(_values, base, answer, candidate))
            # order means nothing here, so that a list that legacy shuffles is one place and not one for every row
            if not take_differences(base, answer, rules, one.take, Orderless(rules)):
                unrest.append(one)
    if not unrest:
        return verdict
    settled = any(compare(answer, candidate, rules, today=today).outcome in _EQUAL for answer in answers)
    judging = Judging(rules, at, lambda difference: settled or any(one.excuses(difference) for one in unrest))
    if base is not control:
        judging.take(Difference(Kind.STATUS, ("status",), control.status, candidate.status))
    guide = ByRules(rules, at, lambda place: any(one.shuffles(place) for one in unrest))
    return judging.verdict(take_differences(base, candidate, rules, judging.take, guide))


def _values(control: Observation, again: Observation, candidate: Observation) -> tuple[Found, Found, Found]:
    """What the three bodies hold; nothing where one is no document."""
    one, two, three = map(read_body, (control, again, candidate))
    return _value(one), _value(two), _value(three)


def _value(body: object) -> Found:
    return body.value if isinstance(body, Document) else ABSENT
