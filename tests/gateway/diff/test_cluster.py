"""Ten thousand mismatches of one cause are one cluster, and two causes are two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.diff.cluster import cluster_of
from gateway.diff.pattern import Pattern
from gateway.diff.verdict import Kind, Mismatch


def clustered(where: str) -> str:
    """The cluster's place of a difference of value there."""
    place, kind = cluster_of(Mismatch(Kind.VALUE, where, "1", "2"))
    assert kind is Kind.VALUE
    return place


@pytest.mark.parametrize(
    ("where", "cluster"),
    [
        ("status", "status"),
        ("header/content-type", "header/content-type"),
        ("body", "body"),
        ("body/lots/17/weight_kg", "body/lots/*/weight_kg"),
        ("body/by_id/3f2b8a7e-1111-4222-8333-944444444444/name", "body/by_id/*/name"),
        ("body/by_id/3F2B8A7E111142228333944444444444", "body/by_id/*"),
        ("body/507f1f77bcf86cd799439011/a", "body/*/a"),
        ("body/days/2026-11-21/kg", "body/days/*/kg"),
        ("body/at/2026-11-21T07:00:00.000Z", "body/at/*"),
        ("body/orders/ORD-0001234/total", "body/orders/*/total"),
        ("body/users/ann@example.org/role", "body/users/*/role"),
        ("body/s/01ARZ3NDEKTSV4RRFFQ69G5FAV/x", "body/s/*/x"),
        ("body/s/V1StGXR8Z5jdHi6BmyT09/x", "body/s/*/x"),
        ("body/-3/x", "body/*/x"),
        ("body/address2/sha256", "body/address2/sha256"),
        ("body/deadbeef", "body/deadbeef"),
        ("body/a_rather_long_name_of_a_field", "body/a_rather_long_name_of_a_field"),
        ("body/internationalisation", "body/internationalisation"),
        ("body/feedbacks", "body/feedbacks"),
    ],
)
def test_positions_and_ids_are_one_and_names_are_kept(where: str, cluster: str) -> None:
    """A field's name may hold a digit; what names one thing of many is a star."""
    assert clustered(where) == cluster


@given(st.lists(st.text(min_size=1, max_size=80), max_size=6))
def test_a_cluster_reads_as_a_pattern_of_its_places(keys: list[str]) -> None:
    """It can be copied into a rule, and clustering it again changes nothing."""
    where = "/".join(["body", "name", *(key.replace("~", "~0").replace("/", "~1") for key in keys)])
    cluster = clustered(where)
    assert clustered(cluster) == cluster
    assert Pattern.parse(cluster).matches(Pattern.parse(where).segments) or "*" in keys or "**" in keys
