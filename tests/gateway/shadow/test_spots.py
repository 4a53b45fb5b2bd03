"""A request counts once for each place at which it differed, whatever the position or the id."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import UTC, datetime

from gateway.diff.verdict import Kind, Mismatch, Outcome, Verdict
from gateway.message import Side
from gateway.shadow.finding import Finding, sealed

ROWS = tuple(Mismatch(Kind.VALUE, f"body/lots/{at}/kg", str(at), "0") for at in range(1, 101))


def finding(verdict: Verdict) -> Finding:
    """The finding on a request with this verdict."""
    now = datetime(2026, 11, 21, tzinfo=UTC)
    return Finding("lots.list", "r1", now, "GET", "/", "shadow", 1, Side.LEGACY, 200, 200, 1.0, 1.0, verdict)


def test_rows_of_one_list_are_one_place() -> None:
    """With the first of them; another kind of difference, and noise, are others."""
    size, noise = Mismatch(Kind.TYPE, "body/lots/7/kg", "1", '"1"'), Mismatch(Kind.VALUE, "body/lots/8/kg", "1", "2")
    one = finding(Verdict(Outcome.MISMATCHED, (*ROWS, size), noise=(noise,)))
    assert [(spot.outcome, spot.place, spot.kind, one.first_at(spot)) for spot in one.spots] == [
        (Outcome.MISMATCHED, "body/lots/*/kg", Kind.VALUE, ROWS[0]),
        (Outcome.MISMATCHED, "body/lots/*/kg", Kind.TYPE, size),
        (Outcome.NOISE, "body/lots/*/kg", Kind.VALUE, noise),
    ]


def test_what_is_no_longer_a_mismatch_counts_for_no_place() -> None:
    """A finding whose verdict is replaced counts for what the new one says, and weighs what it holds."""
    first = finding(Verdict(Outcome.MISMATCHED, ROWS))
    again = replace(first, verdict=Verdict(Outcome.NOT_COMPARABLE, reason="given up"))
    assert (len(first.spots), again.spots) == (1, ())
    assert again.weight < first.weight


def test_places_and_weight_travel_with_their_finding() -> None:
    """They are found out where the finding is made, and nowhere again."""
    one = finding(Verdict(Outcome.MISMATCHED, ROWS))
    there = pickle.loads(pickle.dumps(sealed(one), pickle.HIGHEST_PROTOCOL))
    assert (there.spots, there.outcome, there.opened()) == (one.spots, one.outcome, one)
    assert there.weight > 100 * len("body/lots/1/kg")
