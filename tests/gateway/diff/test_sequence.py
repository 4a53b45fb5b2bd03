"""Arrays differ by as few edits as possible."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.diff.edits import LIKE, Costs, Sides
from gateway.diff.identity import Interner
from gateway.diff.readers import Reading
from gateway.diff.verdict import Kind, Outcome
from tests.gateway.diff.answers import found, judged, only, rule

WORDS = st.lists(st.sampled_from("abcd"), max_size=7)
ROWS = st.dictionaries(
    st.sampled_from("abcde"),
    st.sampled_from([None, True, 1, 0, False, "1", [], [1], [True], {}, {"a": 1}, {"a": True}]),
)


def levenshtein(one: list[str], other: list[str]) -> int:
    """The textbook's number of edits, as the oracle."""
    row = list(range(len(other) + 1))
    for i, mine in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, theirs in enumerate(other, 1):
            before, row[j] = row[j], min(before + (mine != theirs), row[j] + 1, row[j - 1] + 1)
    return row[-1]


@given(WORDS, WORDS)
def test_scalars_differ_by_the_fewest_edits(one: list[str], other: list[str]) -> None:
    """As many mismatches as the textbook counts edits; the same elements in another order are one."""
    expected = levenshtein(one, other)
    if expected and sorted(one) == sorted(other):
        assert found(judged(one, other)) == [(Kind.ORDER, "body")]
    else:
        assert len(judged(one, other).mismatches) == expected


@given(st.lists(st.integers(), max_size=30), st.integers(0, 30))
def test_one_inserted_element_is_one_mismatch(elements: list[int], at: int) -> None:
    """Whatever else the array holds, and from either side."""
    longer: list[Any] = [*elements[:at], {"new": True}, *elements[at:]]
    assert [kind for kind, _ in found(judged(elements, longer))] == [Kind.EXTRA]
    assert [kind for kind, _ in found(judged(longer, elements))] == [Kind.MISSING]


def test_an_insertion_into_a_huge_array_is_one_mismatch() -> None:
    """Beyond the size of a table, too; two of them far apart are two."""
    elements = list(range(20_000))
    changed = [*elements[:100], -1, *elements[100:19_000], -2, *elements[19_000:]]
    assert found(judged(elements, changed)) == [(Kind.EXTRA, "body/100"), (Kind.EXTRA, "body/19001")]


def test_a_new_row_at_the_front_is_one_mismatch_although_every_row_differs_a_little() -> None:
    """Rows are paired with their like, so that a rule can allow the little."""
    rows = [{"id": at, "code": f"L{at}", "kg": f"{at}.0"} for at in range(50)]
    others = [{"id": at, "code": f"L{at}", "kg": at} for at in range(50)]
    verdict = judged(rows, [{"id": 99, "code": "L99", "kg": 99}, *others], rule("body/*/kg", reading=Reading.NUMBER))
    assert found(verdict) == [(Kind.EXTRA, "body/0")]
    assert len(verdict.allowed) == 50


def test_a_new_row_is_one_mismatch_in_a_long_list_whose_rows_all_differ_a_little() -> None:
    """Beyond the size of a table rows are known by what tells them apart, here their id."""
    rows = [{"kind": "lot", "id": f"L{at}", "kg": f"{at}.0", "n": at % 7} for at in range(2_000)]
    others = [{**row, "kg": at} for at, row in enumerate(rows)]
    added = [*others[:700], {"kind": "lot", "id": "new", "kg": 1, "n": 1}, *others[700:]]
    number = rule("body/*/kg", reading=Reading.NUMBER)
    assert found(judged(rows, added, number)) == [(Kind.EXTRA, "body/700")]
    assert found(judged(rows, [*others[:700], *others[701:]], number)) == [(Kind.MISSING, "body/700")]


@pytest.mark.parametrize("count", [5, 50, 2_000])
def test_a_new_row_is_one_mismatch_where_rows_are_arrays(count: int) -> None:
    """Points of a chart and rows of a table: each differs a little in a way that a rule allows."""
    rows = [[f"L{at}", f"{at}.0", "x"] for at in range(count)]
    others = [[f"L{at}", at, "x"] for at in range(count)]
    number, middle = rule("body/*/1", reading=Reading.NUMBER), count // 2
    added = [*others[:middle], ["new", 1, "x"], *others[middle:]]
    assert found(judged(rows, added, number)) == [(Kind.EXTRA, f"body/{middle}")]
    assert found(judged(rows, [*others[:middle], *others[middle + 1 :]], number)) == [(Kind.MISSING, f"body/{middle}")]
    assert judged(rows, others[::-1], number, rule("body", reading=Reading.UNORDERED)).outcome is Outcome.ALLOWED


@pytest.mark.parametrize("count", [5, 50, 2_000])
@pytest.mark.parametrize("more", [{}, {"__typename": "LotEdge"}])
def test_a_new_row_is_one_mismatch_where_rows_are_wrapped(count: int, more: dict[str, Any]) -> None:
    """As the edges of a GraphQL connection are."""
    rows = [{**more, "node": {"lot": {"id": at, "kg": f"{at}.0", "of": "x"}}} for at in range(count)]
    others = [{**more, "node": {"lot": {"id": at, "kg": at, "of": "x"}}} for at in range(count)]
    number, middle = rule("body/**/kg", reading=Reading.NUMBER), count // 2
    added = [*others[:middle], {**more, "node": {"lot": {"id": -1, "kg": 1, "of": "x"}}}, *others[middle:]]
    assert found(judged(rows, added, number)) == [(Kind.EXTRA, f"body/{middle}")]
    assert found(judged(rows, [*others[:middle], *others[middle + 1 :]], number)) == [(Kind.MISSING, f"body/{middle}")]


def test_rows_that_all_differ_a_little_are_found_in_any_order_in_a_long_list_too() -> None:
    """By what tells rows apart, as where order counts."""
    rows = [{"id": at, "kg": f"{at}.0", "n": at % 7} for at in range(2_000)]
    others = [{**row, "kg": at} for at, row in enumerate(rows)]
    rules = rule("body/*/kg", reading=Reading.NUMBER), rule("body", reading=Reading.UNORDERED)
    assert judged(rows, others[::-1], *rules).outcome is Outcome.ALLOWED
    assert found(judged(rows, others[:0:-1], *rules)) == [(Kind.MISSING, "body/0")]


def test_a_window_that_moved_is_an_insertion_and_a_removal() -> None:
    """A list cut at 100 rows loses its last when it gains a first."""
    rows = [{"id": at, "kg": at} for at in range(100)]
    assert found(judged(rows, [{"id": -1, "kg": 0}, *rows[:-1]])) == [(Kind.EXTRA, "body/0"), (Kind.MISSING, "body/99")]


def test_a_changed_row_is_compared_field_by_field() -> None:
    """The place names the control's index and the field."""
    rows = [{"id": 1, "a": 1, "b": 1}, {"id": 2, "a": 1, "b": 1}]
    assert only(judged(rows, [rows[0], {"id": 2, "a": 1, "b": 7}])).where == "body/1/b"


def test_order_can_be_allowed_without_allowing_anything_else() -> None:
    """`as: unordered` takes equal elements wherever they stand, and still finds the one that changed."""
    unordered = rule("body/tags", reading=Reading.UNORDERED)
    assert judged({"tags": [1, 2, 3]}, {"tags": [3, 1, 2]}, unordered).outcome is Outcome.ALLOWED
    verdict = judged({"tags": [1, 2, {"id": 3, "a": 1}]}, {"tags": [{"id": 3, "a": 2}, 2, 1]}, unordered)
    assert found(verdict) == [(Kind.VALUE, "body/tags/2/a")]
    assert found(judged({"tags": [1, 1, 2]}, {"tags": [2, 1]}, unordered)) == [(Kind.MISSING, "body/tags/1")]
    assert found(judged({"tags": [1]}, {"tags": [1, 2]}, unordered)) == [(Kind.EXTRA, "body/tags/1")]


def test_a_number_that_hashes_like_a_million_others_costs_what_any_costs() -> None:
    """Multiples of 2^61-1 all have Python's hash 0; an array of them must not cost its square."""
    same_hash = [at * (2**61 - 1) for at in range(60_000)]
    assert len(judged(same_hash, [*same_hash[1:], 5]).mismatches) == 2


@given(ROWS, ROWS)
def test_rows_are_alike_at_a_glance_as_they_are_when_taken_apart(one: Any, other: Any) -> None:
    """Flat or with objects within them: the glance is for speed, and pairs nothing in another way."""
    interner = Interner()
    costs = Costs(Sides([one], [other], [interner.number(one)], [interner.number(other)]), interner)
    assert costs.alike(0, 0) == (costs.of(0, 0) <= LIKE)
