"""Rows of a rehearsal against what legacy left, and what a race does to the verdict."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome, Verdict
from gateway.message import Observation, Side
from gateway.shadow.rows import Written
from gateway.shadow.writeset import compare_write, swaps_of

TODAY = date(2026, 11, 21)
ID, OTHER = "0779cf4d-5f52-458a-817d-91219fd29bbb", "fa71ab91-b514-4cac-ae36-a4012e87dde2"


def said(side: Side, status: int = 201) -> Observation:
    return Observation(side, status, ((b"content-type", b"application/json"),), b"{}", 1.0)


def row(op: str = "insert", *, old: Any = None, new: Any = None, generated: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"table": "public.lots", "op": op, "old": old, "new": new, "generated": generated}


def seen(values: Any, *, changes: int = 1, known: bool = True) -> dict[str, Any]:
    return {"changes": changes, "row": values, "known": known}


def judged(
    written: Written, *, control: int = 201, candidate: int = 201, swaps: tuple[tuple[str, str], ...] = ()
) -> Verdict:
    return compare_write(
        said(Side.LEGACY, control), said(Side.NEW, candidate), written, Rules(), today=TODAY, swaps=swaps
    )


def places(verdict: Verdict) -> list[tuple[str, str]]:
    return [(each.kind, each.where) for each in verdict.mismatches]


def test_equal_rows_match() -> None:
    """Column by column, whatever their order."""
    written = Written([row(new={"a": 1, "b": "x"})], [seen({"b": "x", "a": 1})])
    assert judged(written).outcome is Outcome.MATCHED


def test_a_column_that_differs_is_named() -> None:
    """The place is one that a rule can name."""
    verdict = judged(Written([row(new={"weight_kg": 1.5})], [seen({"weight_kg": 2})]))
    assert places(verdict) == [("value", "rows/lots/weight_kg")]
    assert (verdict.mismatches[0].control, verdict.mismatches[0].candidate) == ("2", "1.5")


@pytest.mark.parametrize(
    ("wrote", "left"),
    [(Decimal("0.1"), Decimal("0.10000000000000000555")), ({"on": True}, {"on": 1}), ([Decimal("1.5")], [1.25])],
)
def test_columns_are_equal_by_every_digit_and_true_is_no_number(wrote: Any, left: Any) -> None:
    """As everywhere in a comparison."""
    assert places(judged(Written([row(new={"a": wrote})], [seen({"a": left})]))) == [("value", "rows/lots/a")]
    assert judged(Written([row(new={"a": wrote})], [seen({"a": wrote})])).outcome is Outcome.MATCHED


@pytest.mark.parametrize(
    ("op", "wrote", "left", "kind"), [("insert", {"a": 1}, None, "extra"), ("delete", None, {"a": 1}, "missing")]
)
def test_a_row_that_one_side_leaves_is_a_mismatch(op: str, wrote: Any, left: Any, kind: str) -> None:
    """New would have stored what legacy did not, or deleted what legacy kept."""
    written = Written([row(op, old=None if wrote else {"a": 1}, new=wrote)], [seen(left, changes=0)])
    assert places(judged(written)) == [(kind, "rows/lots")]


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [(ID, OTHER), (7, 8), ("2026-11-21T08:00:00.1+00:00", "2026-11-21T08:00:01+00:00")],
    ids=["uuid", "sequence", "moment"],
)
def test_what_the_database_draws_differs_by_nature(mine: object, theirs: object) -> None:
    """Ids, numbers of a sequence and the moment, where the column is one that the database fills in."""
    drawn = Written([row(new={"a": mine}, generated=("a",))], [seen({"a": theirs})])
    given = Written([row(new={"a": mine})], [seen({"a": theirs})])
    assert judged(drawn).outcome is Outcome.MATCHED
    assert judged(given).outcome is Outcome.MISMATCHED


def test_a_moment_that_lies_elsewhere_is_a_mismatch() -> None:
    """The database's own clock is at most a minute apart between two halves."""
    rows = [row(new={"a": "2026-11-21T08:00:00+00:00"}, generated=("a",))]
    assert judged(Written(rows, [seen({"a": "2026-11-20T08:00:00+00:00"})])).outcome is Outcome.MISMATCHED


def test_an_id_that_both_answers_show_is_the_same_row() -> None:
    """A reference to a row that each side made with an id of its own."""
    written = Written([row(new={"parent": ID})], [seen({"parent": OTHER})])
    assert judged(written, swaps=((ID, OTHER),)).outcome is Outcome.MATCHED
    assert list(swaps_of({"id": OTHER, "n": [1]}, {"id": ID, "n": [1]})) == [(ID, OTHER)]


@pytest.mark.parametrize(
    ("changes", "control", "outcome"),
    [
        (0, 201, Outcome.MISMATCHED),
        (1, 201, Outcome.MISMATCHED),
        (2, 201, Outcome.NOT_COMPARABLE),
        (0, 500, Outcome.MISMATCHED),
        (1, 500, Outcome.NOT_COMPARABLE),
    ],
)
def test_a_disagreement_counts_where_legacy_alone_changed_the_row(changes: int, control: int, outcome: Outcome) -> None:
    """One change is legacy's own where it succeeded; one more is somebody else's."""
    written = Written([row(new={"a": 1})], [seen({"a": 1}, changes=changes)])
    assert judged(written, control=control, candidate=409).outcome is outcome


def test_halves_that_agree_match_whoever_else_was_there() -> None:
    """A race that changed nothing is none."""
    assert judged(Written([row(new={"a": 1})], [seen({"a": 1}, changes=2)])).outcome is Outcome.MATCHED


def test_a_disagreement_of_what_is_not_watched_is_not_comparable() -> None:
    """A table without capture, and a write that this process let pass in between."""
    for written in (Written(unseen=["public.audit"]), Written(touched=True)):
        assert judged(written, candidate=409).outcome is Outcome.NOT_COMPARABLE


def test_answers_that_agree_say_nothing_of_rows_that_nobody_has_seen() -> None:
    """What the new side wrote to a table without capture may be anything."""
    verdict = judged(Written(unseen=["public.audit"]))
    assert verdict.outcome is Outcome.NOT_COMPARABLE
    assert verdict.reason == "the new side changed tables that are not captured: public.audit"


def test_a_row_that_nobody_can_find_again_is_not_compared() -> None:
    """It has no key of its own but an id that no answer shows."""
    assert judged(Written([row(new={"a": 1})], [seen(None, known=False)])).outcome is Outcome.MATCHED
