"""The sequential test: how rarely it cries wolf, how soon it sees one, and that looking often changes neither."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rollout.sequential import Sequential


def looks_until_alarm(
    dice: random.Random, share: float, tolerated: float, alpha: float, looks: int, batch: int
) -> int | None:
    """The number of the look that raised the alarm."""
    test = Sequential(alpha)
    for look in range(1, looks + 1):
        hits = sum(dice.random() < share for _ in range(batch))
        if test.saw(hits, batch, tolerated):
            return look
    return None


@pytest.mark.parametrize(("share", "batch"), [(0.02, 1), (0.02, 20), (0.1, 3)])
def test_a_tolerable_share_raises_no_more_alarms_than_promised(share: float, batch: int) -> None:
    """At the very edge of what is tolerated, looked at after every request: of 1,000 lives, alpha ends in an alarm.

    Ville promises at most 5 %; 8 % would be more than four standard errors above that.
    """
    dice, alpha = random.Random(20261121), 0.05
    alarms = sum(looks_until_alarm(dice, share, share, alpha, 300 // batch, batch) is not None for _ in range(1_000))
    assert alarms <= 80


def test_the_false_alarms_are_not_zero_either() -> None:
    """A test that never cries proves nothing: at an alpha of one half some lives end in an alarm."""
    dice = random.Random(7)
    assert any(looks_until_alarm(dice, 0.05, 0.05, 0.5, 200, 5) for _ in range(200))


def test_a_dead_side_is_seen_after_a_few_requests() -> None:
    """Everything fails from the first request on: three are enough."""
    assert looks_until_alarm(random.Random(1), 1.0, 0.01, 0.001, 50, 1) in (2, 3)


def test_a_day_of_good_requests_does_not_hide_a_bad_minute() -> None:
    """After 86,400 good looks (a day at one a second), a side that dies is still seen within ten requests."""
    test = Sequential()
    for _ in range(86_400):
        test.saw(0, 10, 0.01)
    assert next(look for look in range(1, 100) if test.saw(1, 1, 0.01)) <= 10


def test_one_mismatch_alone_is_no_breach() -> None:
    """A single difference in the first look does not take a route back, two do where a thousandth is tolerated."""
    assert not Sequential().saw(1, 1, 0.001)
    assert Sequential().saw(2, 2, 0.001)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 1000)), max_size=30), st.floats(1e-6, 0.5))
@settings(max_examples=100, deadline=None)
def test_any_history_has_a_worth(history: list[tuple[int, int]], tolerated: float) -> None:
    """Whatever comes, in batches of any size, the worth is a number and looks without samples change nothing."""
    test = Sequential()
    for hits, clean in history:
        test.saw(hits, hits + clean, tolerated)
        before = test.worth
        test.saw(0, 0, tolerated)
        assert test.worth == before
    assert test.worth < 1e9


@given(st.integers(1, 200), st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_hits_raise_and_clean_samples_lower_the_worth(clean: int, hits: int) -> None:
    """The evidence goes the way it must."""
    bad, good = Sequential(), Sequential()
    for test in (bad, good):
        test.saw(1, 100, 0.01)
    bad.saw(hits, hits, 0.01)
    good.saw(0, clean, 0.01)
    assert bad.worth > good.worth
