"""Which answers are broken, told from what the comparison says of real ones."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import pytest

from gateway.diff.compare import compare
from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome
from gateway.message import Headers, Observation, Side
from gateway.shadow.finding import Finding, sealed
from tests.gateway.diff.answers import JSON, TODAY, answer

GZIPPED: Headers = (*JSON, (b"content-encoding", b"gzip"))
LINES: Headers = ((b"content-type", b"application/x-ndjson"),)
WIDE: Headers = ((b"content-type", b"application/json; charset=utf-16"),)
GOOD = answer(Side.LEGACY, {"a": 1})


def found(control: Observation, candidate: Observation) -> Finding:
    """The finding on two answers."""
    verdict = compare(control, candidate, Rules(), today=TODAY)
    at = datetime(2026, 11, 21, tzinfo=UTC)
    return Finding("lots.get", "r", at, "GET", "/", "shadow", 1, Side.LEGACY, 200, 200, 1.0, 1.0, verdict)


@pytest.mark.parametrize(
    "candidate",
    [
        answer(Side.NEW, b'{"a": 1'),
        answer(Side.NEW, b"{'a': 1}"),
        answer(Side.NEW, b"<html>oops</html>"),
        answer(Side.NEW, b'{"a": NaN}'),
        answer(Side.NEW, b'{"a": -Infinity}'),
        answer(Side.NEW, b'{"a": "\xff"}'),
        answer(Side.NEW, b'{"a": 1}\n{"a"\n', headers=LINES),
        answer(Side.NEW, b'{"a":1}', headers=WIDE),
        answer(Side.NEW, b'{"a": 1}', headers=GZIPPED),
        answer(Side.NEW, gzip.compress(b'{"a": 1}')[:-4], headers=GZIPPED),
    ],
)
def test_an_answer_that_nobody_can_read_is_broken(candidate: Observation) -> None:
    """It is not comparable, and broken: legacy's could be read. So is one that another process has found."""
    content = b'{"a": 1}'.decode().encode("utf-16") if candidate.headers is WIDE else b'{"a": 1}'
    finding = found(answer(Side.LEGACY, content, headers=candidate.headers[:1]), candidate)
    assert finding.outcome is Outcome.NOT_COMPARABLE
    assert finding.broken, finding.reason
    assert sealed(finding).broken


@pytest.mark.parametrize(
    ("control", "candidate"),
    [
        (answer(Side.LEGACY, b'{"a": 1'), answer(Side.NEW, {"a": 1})),
        (answer(Side.LEGACY, b'{"a": 1'), answer(Side.NEW, b'{"a":')),
        (GOOD, answer(Side.NEW, b'{"a": 1', truncated=True)),
        (GOOD, answer(Side.NEW, b'{"a": 1, "a": 2}')),
        (GOOD, answer(Side.NEW, b"[" * 100_000 + b"]" * 100_000)),
        (GOOD, answer(Side.NEW, b"x", headers=(*JSON, (b"content-encoding", b"lzma")))),
        (GOOD, answer(Side.NEW, {"a": 2})),
        (GOOD, answer(Side.NEW, {"a": 1})),
    ],
)
def test_what_legacy_breaks_or_we_do_not_read_is_not_the_new_sides_fault(
    control: Observation, candidate: Observation
) -> None:
    """Legacy's own broken answer, a cap of ours, a coding that we do not know, and what could be compared."""
    assert not found(control, candidate).broken
