"""Builders the tests of this folder share: answers, rules, and a comparison with few words."""

from __future__ import annotations

import json
from datetime import date

from gateway.diff.compare import compare
from gateway.diff.pattern import Pattern
from gateway.diff.readers import Reading
from gateway.diff.rules import Rule, Rules, Scope, kinds_for
from gateway.diff.verdict import Kind, Mismatch, Verdict
from gateway.failure import Failure
from gateway.message import Headers, Observation, Side

TODAY = date(2026, 11, 21)
JSON: Headers = ((b"Content-Type", b"application/json; charset=utf-8"),)


def answer(
    side: Side,
    body: object = b"",
    *,
    status: int = 200,
    headers: Headers = JSON,
    truncated: bool = False,
    failure: Failure | None = None,
) -> Observation:
    """One side's answer; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    if failure is not None:
        return Observation(side, None, (), b"", 1.0, failure)
    return Observation(side, status, headers, content, 1.0, truncated=truncated)


def judged(control: object, candidate: object, *rules: Rule, case: str | None = None, today: date = TODAY) -> Verdict:
    """The verdict on two JSON bodies (or bytes) with status 200."""
    legacy, new = answer(Side.LEGACY, control), answer(Side.NEW, candidate)
    return compare(legacy, new, Rules(rules), today=today, case=case)


def rule(
    where: str,
    *kinds: Kind,
    reading: Reading | None = None,
    scope: Scope | None = None,
    until: date = date(2027, 6, 30),
    origin: str = "differences.yaml:2",
) -> Rule:
    """A rule as a file would make it."""
    pattern = Pattern.parse(where)
    about = kinds_for(reading, kinds, pattern)
    return Rule(pattern, about, "the test says so", "tests", until, origin, reading, scope or Scope())


def found(verdict: Verdict) -> list[tuple[Kind, str]]:
    """Kind and place of every mismatch."""
    return [(mismatch.kind, mismatch.where) for mismatch in verdict.mismatches]


def only(verdict: Verdict) -> Mismatch:
    """The one mismatch of a verdict."""
    (mismatch,) = verdict.mismatches
    return mismatch
