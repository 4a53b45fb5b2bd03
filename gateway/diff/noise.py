"""The recheck: legacy was asked a second time, and where it disagrees with itself the candidate is not to blame.

Pure. It excuses a difference only where legacy shows one of the same kind, and only what could be legacy's own.
"""

from __future__ import annotations

from datetime import date
from functools import partial

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


def judge_again(
    verdict: Verdict,
    control: Observation,
    again: Observation,
    candidate: Observation,
    rules: Rules,
    *,
    today: date,
) -> Verdict:
    """The verdict once legacy was asked `again`: what legacy disagrees with itself about is noise.

    Only a mismatch is judged again. The verdict stays when the second answer says nothing: it is a failure,
    cannot be read, or has a status that neither the first one nor the candidate has.
    """
    failed = control.failure or again.failure or candidate.failure
    if verdict.outcome is not Outcome.MISMATCHED or failed or again.status not in (control.status, candidate.status):
        return verdict
    settled = compare(again, candidate, rules, today=today).outcome in (Outcome.MATCHED, Outcome.ALLOWED)
    unrest = Unrest(partial(_values, control, again, candidate))
    judging = Judging(
        rules,
        Circumstances(control.status, candidate.status, today),
        (lambda difference: True) if settled else unrest.excuses,  # settled: new says what legacy says now
    )
    if again.status != control.status:
        # legacy gave both statuses; what new says beside the second is judged by what legacy says beside it
        unrest.take(Difference(Kind.STATUS, ("status",), control.status, again.status))
        judging.take(Difference(Kind.STATUS, ("status",), control.status, candidate.status))
        control = again
    # order means nothing here, so that a list that legacy shuffles is one place and not one for every row
    elif take_differences(control, again, rules, unrest.take, Orderless(rules)):
        return verdict
    guide = ByRules(rules, judging.at, unrest.shuffles)
    return judging.verdict(take_differences(control, candidate, rules, judging.take, guide))


def _values(control: Observation, again: Observation, candidate: Observation) -> tuple[Found, Found, Found]:
    """What the three bodies hold; nothing where one is no document."""
    one, two, three = map(read_body, (control, again, candidate))
    return _value(one), _value(two), _value(three)


def _value(body: object) -> Found:
    return body.value if isinstance(body, Document) else ABSENT
