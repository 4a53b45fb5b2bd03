"""When legacy is asked again, with what, and when an answer stands for nothing but the client's own cache. Pure.

A validator (RFC 9110 section 8.8) is the word of the side that gave it: the other one need not know it, so that 304
beside 200 tells of the cache and not of the answer.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from enum import Enum
from functools import partial
from typing import Final

from gateway.diff.readers import moment
from gateway.diff.verdict import Kind, Mismatch, Outcome, Verdict
from gateway.message import Observation, OutboundRequest, Side

_OF_ALL: Final = frozenset({b"if-none-match", b"if-modified-since"})  # answered with 304
_OF_PARTS: Final = frozenset({b"if-range"})  # answered with 206
_LEFT_OUT: Final = _OF_ALL | _OF_PARTS | {b"range"}
_WHOLE: Final = 200
_SINCE_1970: Final = re.compile(r"[0-9]{10}(?:[0-9]{3})?(?:\.[0-9]+)?", re.ASCII)  # seconds or milliseconds
_MOMENT: Final = re.compile(
    r"(?<![0-9.])([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
    rf"|{_SINCE_1970.pattern})(?![0-9])",
    re.ASCII,
)
_MILLISECONDS: Final = 1e11  # more seconds than that are in a year beyond 5000
_SLACK_S: Final = 840.0  # between the machines' clocks; less than a time zone
_TICK_S: Final = 60.0  # two answers that a clock lies between are no further apart, a queue between them included
_BY_STATUS: Final = {304: _OF_ALL, 206: _OF_PARTS}


class Question(Enum):
    """What a comparison still leaves to be asked."""

    NOTHING = "the verdict stands"
    AGAIN = "legacy the same again, to see whether it agrees with itself"
    WHOLE = "legacy again without the client's validators: it has sent nothing that could be compared"
    NONE_LEFT = "nobody: the new side has sent nothing that could be compared"


def question(
    request: OutboundRequest, control: Observation, candidate: Observation, outcome: Outcome, *, answered: Side
) -> Question:
    """What an outcome leaves to be asked. Only legacy is ever asked again, and nobody after a failure."""
    if control.failure is not None or candidate.failure is not None:
        return Question.NOTHING
    if candidate.status == _WHOLE and _depends(request, control.status):
        return Question.WHOLE
    if outcome is not Outcome.MISMATCHED:
        return Question.NOTHING
    if control.status == _WHOLE and answered is Side.NEW and _depends(request, candidate.status):
        return Question.NONE_LEFT
    return Question.AGAIN


def unconditional(request: OutboundRequest) -> OutboundRequest:
    """The request for the whole answer, whatever the client has of it already."""
    return request.with_headers(tuple(header for header in request.headers if header[0] not in _LEFT_OUT))


def nothing_to_compare(control: Observation, candidate: Observation) -> Verdict:
    """The verdict where the client's copy stood for one of the answers."""
    statuses = f"legacy answered {control.status} and new {candidate.status}"
    return Verdict(Outcome.NOT_COMPARABLE, reason=f"{statuses} to the client's validators, which are one side's own")


def may_have_ticked(verdict: Verdict, now: datetime) -> bool:
    """Whether all that is left of a mismatch could be a clock that has ticked between two answers."""
    return bool(verdict.mismatches) and all(_is_clock(one, now.timestamp()) for one in verdict.mismatches)


def _is_clock(one: Mismatch, now: float) -> bool:
    """Whether both texts are the same but for moments in them."""
    if one.kind not in (Kind.VALUE, Kind.HEADER) or one.control is None or one.candidate is None:
        return False
    mine, theirs = (_MOMENT.split(text) for text in (one.control, one.candidate))
    if len(mine) != len(theirs) or mine[::2] != theirs[::2]:  # what stands between the moments
        return False
    return all(map(partial(_is_tick, now), mine[1::2], theirs[1::2]))


def _is_tick(now: float, mine: str, theirs: str) -> bool:
    if mine == theirs:
        return True
    one, other = _seconds(mine), _seconds(theirs)
    return one is not None and other is not None and abs(one - other) <= _TICK_S and abs(one - now) <= _SLACK_S


def _seconds(text: str) -> float | None:
    """Since 1970, where the text is a moment."""
    if _SINCE_1970.fullmatch(text):
        return float(text) / (1_000 if float(text) > _MILLISECONDS else 1)
    found = moment(text)
    return None if found is None else found / 1_000


def with_reason(verdict: Verdict, reason: str) -> Verdict:
    """The verdict with one more sentence."""
    return replace(verdict, reason="; ".join(one for one in (verdict.reason, reason) if one))


def _depends(request: OutboundRequest, status: int | None) -> bool:
    """Whether the request's validators are what a status came from."""
    names = _BY_STATUS.get(status or 0)
    return names is not None and any(name in names for name, _ in request.headers)
