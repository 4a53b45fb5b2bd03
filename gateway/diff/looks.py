"""What a text that changes from one answer to the next looks like: a UUID, a moment, a digest, or anything.

A field on which legacy disagrees with itself still has a form, and another form is no noise. Where it has none of
these, what stands still in it is looked for.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from gateway.diff.readers import moment
from gateway.diff.standing import Standing
from gateway.diff.value import Found

# legacy's own two moments that are this near are the clock's; new's may lie so far from them, less than two time
# zones do
_CLOCK_MS: Final = timedelta(seconds=10) // timedelta(milliseconds=1)
_SLACK_MS: Final = timedelta(minutes=14) // timedelta(milliseconds=1)

_FORMS: Final = tuple(
    (re.compile(pattern, re.ASCII), sized)
    for pattern, sized in (
        (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", False),
        (r"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}", False),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z", False),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z", False),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]+)?Z", False),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]+)?[+-][0-9]{2}:[0-9]{2}", False),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}(?:\.[0-9]+)?(?:[+-][0-9:]{2,5}|Z)?", False),
        (r"[0-9]{4}-[0-9]{2}-[0-9]{2}", False),
        (r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT", False),
        (r"-?[0-9]+(?:\.[0-9]+)?", False),
        (r"[0-9a-f]{16,}", True),
        (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", False),
    )
)


def looks_like(candidate: Found, control: Found, again: Found, standing: Standing) -> bool:
    """Whether a value could be legacy's own, by the two that legacy gave: same form, and no moment far away."""
    if not (isinstance(control, str) and isinstance(again, str) and isinstance(candidate, str)):
        return True
    alike = has_form(candidate, control, again)
    return standing.keeps(candidate, control, again) if alike is None else alike


def has_form(candidate: str, control: str, again: str) -> bool | None:
    """The same of texts that have one of the forms; None where legacy's two have none."""
    for form, sized in _FORMS:
        if form.fullmatch(control) and form.fullmatch(again):
            same_length = not sized or len(control) != len(again) or len(candidate) == len(control)
            return form.fullmatch(candidate) is not None and same_length and _is_near(candidate, control, again)
    return None


def _is_near(candidate: str, control: str, again: str) -> bool:
    first, last, found = moment(control), moment(again), moment(candidate)
    if first is None or last is None or found is None:
        return True
    return abs(last - first) > _CLOCK_MS or abs(found - first) < _SLACK_MS
