"""What may be a clock that has ticked between two answers: two moments near now, less than a minute apart."""

from datetime import UTC, datetime

import pytest

from gateway.diff.verdict import Kind, Mismatch, Outcome, Verdict
from gateway.shadow.recheck import may_have_ticked

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SECONDS = int(NOW.timestamp())


def verdict(control: str | None, candidate: str | None, kind: Kind = Kind.VALUE) -> Verdict:
    return Verdict(Outcome.MISMATCHED, (Mismatch(kind, "body/at", control, candidate),))


@pytest.mark.parametrize(
    ("control", "candidate"),
    [
        (f"{SECONDS}", f"{SECONDS - 1}"),
        (f"{SECONDS}123", f"{SECONDS - 2}456"),
        ('"2026-11-21T10:00:01Z"', '"2026-11-21T10:00:00Z"'),
        ('"2026-11-21T11:00:01+01:00"', '"2026-11-21T11:00:00+01:00"'),
        (f'"/a.pdf?at={SECONDS}&x=1"', f'"/a.pdf?at={SECONDS - 1}&x=1"'),
        ('"made 2026-11-21T10:00:01Z (7), sent 1"', '"made 2026-11-21T10:00:00Z (7), sent 1"'),
    ],
)
def test_a_clock_may_have_ticked(control: str, candidate: str) -> None:
    """In seconds, in milliseconds, and as a time with its zone."""
    assert may_have_ticked(verdict(control, candidate), NOW)


@pytest.mark.parametrize(
    ("control", "candidate"),
    [
        (f"{SECONDS}", f"{SECONDS - 61}"),
        ('"2026-11-09T10:00:00.000Z"', '"2026-11-09T10:00:00.001Z"'),
        ('"2026-11-21T10:00:01Z"', '"2026-11-21T09:00:01Z"'),
        ("5.5", "5.6"),
        (f'"/a.pdf?at={SECONDS}&x=1"', f'"/b.pdf?at={SECONDS - 1}&x=1"'),
        (f'"at {SECONDS}"', f'"at {SECONDS} {SECONDS}"'),
        (f"1{SECONDS}", f"1{SECONDS - 1}"),
        (None, f"{SECONDS}"),
    ],
)
def test_anything_else_may_not(control: str | None, candidate: str | None) -> None:
    """A moment of last week is no clock's, and an hour is no tick."""
    assert not may_have_ticked(verdict(control, candidate), NOW)


def test_all_that_is_left_must_be_clocks() -> None:
    """Another difference beside one stands, and so does one of another kind."""
    both = (*verdict(f"{SECONDS}", f"{SECONDS - 1}").mismatches, *verdict("1", "2").mismatches)
    assert not may_have_ticked(Verdict(Outcome.MISMATCHED, both), NOW)
    assert not may_have_ticked(verdict(f"{SECONDS}", f"{SECONDS}", Kind.TYPE), NOW)
