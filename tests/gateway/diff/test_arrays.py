"""Arrays whose elements are known by a key, or whose order means nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.diff.compare import compare
from gateway.diff.pattern import Pattern, Place
from gateway.diff.readers import Reading
from gateway.diff.rules import Keyed, Rule, Rules
from gateway.diff.verdict import Kind, Outcome, Verdict
from gateway.message import Side
from tests.gateway.diff.answers import TODAY, answer, found, rule


def judged(control: Any, candidate: Any, *rules: Rule, by: tuple[Place, ...] = (("id",),)) -> Verdict:
    """The verdict on two bodies whose array `lots` is keyed."""
    keyed = (Keyed(Pattern.parse("body/lots"), by),)
    legacy, new = answer(Side.LEGACY, {"lots": control}), answer(Side.NEW, {"lots": candidate})
    return compare(legacy, new, Rules(rules, arrays=keyed), today=TODAY)


def lots(*ids: int, **more: Any) -> list[dict[str, Any]]:
    """Rows that have little in common but their ids."""
    return [{"id": one, "kg": one * 7, **more} for one in ids]


def test_elements_are_paired_by_their_key_however_little_else_they_share() -> None:
    """Every other field differs, and each difference is told at its own row."""
    verdict = judged(lots(1, 2, 3, a=1, b=1), lots(1, 3, 4, a=2, b=2))
    assert found(verdict) == [
        (Kind.VALUE, "body/lots/0/a"),
        (Kind.VALUE, "body/lots/0/b"),
        (Kind.MISSING, "body/lots/1"),
        (Kind.VALUE, "body/lots/2/a"),
        (Kind.VALUE, "body/lots/2/b"),
        (Kind.EXTRA, "body/lots/2"),
    ]


def test_the_order_of_keyed_elements_still_counts_unless_a_rule_allows_it() -> None:
    """Pairing allows nothing."""
    moved = [{**row, "kg": 0} if row["id"] == 3 else row for row in lots(3, 1, 2)]
    verdict = judged(lots(1, 2, 3), moved)
    assert found(verdict) == [(Kind.ORDER, "body/lots"), (Kind.VALUE, "body/lots/2/kg")]
    allowed = judged(lots(1, 2, 3), moved, rule("body/lots", reading=Reading.UNORDERED))
    assert found(allowed) == [(Kind.VALUE, "body/lots/2/kg")]


def test_a_key_may_have_parts_and_lie_deeper() -> None:
    """Both parts must be the same; 1 and 1.0 are."""
    control = [{"site": "a", "node": {"id": 1}, "v": 1}, {"site": "b", "node": {"id": 1}, "v": 2}]
    candidate = [{"site": "b", "node": {"id": 1.0}, "v": 2}, {"site": "c", "node": {"id": 1}, "v": 1}]
    verdict = judged(control, candidate, by=(("site",), ("node", "id")))
    assert found(verdict) == [(Kind.MISSING, "body/lots/0"), (Kind.EXTRA, "body/lots/1")]


def test_elements_without_the_key_are_paired_by_likeness() -> None:
    """And those with a key twice in the order in which they stand."""
    control = [{"kg": 1, "a": 1}, 7, *lots(5, 5)]
    assert judged(control, control[:]).outcome is Outcome.MATCHED
    assert found(judged(control, [{"kg": 1, "a": 2}, 7, *lots(5, 5)])) == [(Kind.VALUE, "body/lots/0/a")]
    assert found(judged(control, [{"kg": 1, "a": 1}, 7, *lots(5)])) == [(Kind.MISSING, "body/lots/3")]


@given(st.lists(st.integers(0, 9), unique=True), st.data())
def test_no_order_hides_a_change(ids: list[int], data: st.DataObject) -> None:
    """Shuffled with one row changed: that row is found at its own place."""
    control = lots(*ids, 10, 11)
    candidate = data.draw(st.permutations(control))
    at = data.draw(st.integers(0, len(control) - 1))
    planted = [{**row, "kg": "planted"} if row["id"] == control[at]["id"] else row for row in candidate]
    verdict = judged(control, planted, rule("body/lots", reading=Reading.UNORDERED))
    assert found(verdict) == [(Kind.TYPE, f"body/lots/{at}/kg")]


def test_an_error_envelope_is_one_difference_whatever_its_fields_are_called() -> None:
    """Legacy says error, new says detail; without the rule that is a field missing and one too many."""
    legacy, new = {"error": "no such lot"}, {"detail": "No such lot.", "code": "lot_unknown"}

    def verdict(*rules: Rule) -> Verdict:
        one, other = answer(Side.LEGACY, legacy, status=404), answer(Side.NEW, new, status=404)
        return compare(one, other, Rules(rules), today=TODAY)

    assert [kind for kind, _ in found(verdict())] == [Kind.MISSING, Kind.EXTRA, Kind.EXTRA]
    allowed = verdict(rule("body", reading=Reading.ERROR_ENVELOPE))
    assert (allowed.outcome, len(allowed.allowed)) == (Outcome.ALLOWED, 1)
    expired = verdict(rule("body", reading=Reading.ERROR_ENVELOPE, until=TODAY.replace(year=2025)))
    assert expired.outcome is Outcome.MISMATCHED
    assert "ended on" in expired.reason
    assert verdict(rule("body", reading=Reading.ERROR_TEXT)).outcome is Outcome.MISMATCHED


def test_elements_that_share_a_key_are_paired_with_their_equals_first() -> None:
    """Two rows of one key that changed places are in another order, and one of them less is one difference."""
    rows = [{"id": 1, "a": 1}, {"id": 1, "a": 2}, {"id": 2, "a": 0}]
    turned = [rows[1], rows[0], rows[2]]
    assert found(judged(rows, turned)) == [(Kind.ORDER, "body/lots")]
    assert judged(rows, turned, rule("body/lots", reading=Reading.UNORDERED)).outcome is Outcome.ALLOWED
    assert found(judged(rows, rows[1:])) == [(Kind.MISSING, "body/lots/0")]
    assert found(judged(rows, [*rows[:2], {"id": 1, "a": 3}, rows[2]])) == [(Kind.EXTRA, "body/lots/2")]
    changed = [rows[1], {"id": 1, "a": 5}, rows[2]]
    assert found(judged(rows, changed)) == [(Kind.ORDER, "body/lots"), (Kind.VALUE, "body/lots/0/a")]


def test_many_elements_of_one_key_are_paired_in_linear_time() -> None:
    """A key that tells nothing apart must not cost the square of the rows."""
    rows = [{"id": 1, "n": at} for at in range(20_000)]
    assert found(judged(rows, [*rows[:9_000], *rows[9_001:]])) == [(Kind.MISSING, "body/lots/9000")]


@pytest.mark.parametrize(
    "row",
    [
        lambda at: {"geometry": {"type": "Point", "coordinates": [at / 8, at]}, "kind": at % 5},
        lambda at: {**{f"f{name}": at * name % 11 for name in range(30)}, "id": at},
    ],
)
def test_one_row_less_is_one_difference_among_many_that_all_differ(row: Callable[[int], dict[str, Any]]) -> None:
    """What identifies a row is found within a point, and behind many other fields."""
    control = [{**row(at), "t": f"a{at}"} for at in range(400)]
    candidate = [{**row(at), "t": f"b{at}"} for at in range(400) if at != 7]
    verdict = judged(control, candidate, rule("body/lots/*/t", Kind.VALUE), by=())
    assert found(verdict) == [(Kind.MISSING, "body/lots/7")]


def test_a_value_that_another_row_has_on_the_other_side_identifies_no_row() -> None:
    """Moments overlap: what stands at the same position is more alike."""
    control = [{"t": 1000 + at, "name": f"n{at % 300}"} for at in range(400)]
    candidate = [{"t": 1100 + at, "name": f"n{at % 300}"} for at in range(400)]
    verdict = judged(control, candidate, rule("body/lots/*/t", Kind.VALUE), by=())
    assert verdict.outcome is Outcome.ALLOWED
