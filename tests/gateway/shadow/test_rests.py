"""A side whose answers are never read to their end is asked now and then; nobody else is asked less for it."""

from itertools import pairwise

import pytest

from gateway.message import Side
from gateway.shadow.rests import FEW, LONGEST_S, Rests


def unread(rests: Rests, times: int, *, now: float = 0.0) -> list[bool]:
    """What is told of so many answers that were not read to their end."""
    return [rests.heard("a", Side.NEW, now, whole=False) for _ in range(times)]


def test_copies_rest_after_a_few_such_answers_in_a_row() -> None:
    """Whoever asks is told once that a rest begins."""
    rests = Rests()
    assert unread(rests, FEW - 1) == [False] * (FEW - 1)
    assert rests.sends("a", Side.NEW, 0.0)
    assert unread(rests, 2) == [True, False]
    assert rests.has("a", Side.NEW, 0.5)
    assert not rests.sends("a", Side.NEW, 0.5)


def test_answers_that_are_read_now_and_then_are_no_row() -> None:
    """A route with some large answers goes on."""
    rests = Rests()
    for _ in range(3):
        unread(rests, FEW - 1)
        assert not rests.heard("a", Side.NEW, 0.0, whole=True)
    assert not rests.has("a", Side.NEW, 0.0)


def test_one_copy_is_sent_after_a_rest_and_each_rest_is_longer() -> None:
    """A second at first, ten at last; whoever comes beside the one rests."""
    rests, now, sent = Rests(), 0.0, list[float]()
    unread(rests, FEW)
    while now < 60:
        now += 0.25
        if rests.sends("a", Side.NEW, now):
            sent.append(now)
            assert not rests.sends("a", Side.NEW, now)
            unread(rests, 1, now=now)
    gaps = [after - before for before, after in pairwise(sent)]
    assert sent[0] == 1.0
    assert gaps[:4] == [2.0, 4.0, 8.0, LONGEST_S]
    assert set(gaps[4:]) == {LONGEST_S}


def test_a_rest_begins_when_the_answer_was_let_go_of() -> None:
    """One that took ten seconds to time out is not followed by the next at once."""
    rests = Rests()
    unread(rests, FEW)
    assert rests.sends("a", Side.NEW, 1.0)
    unread(rests, 1, now=11.0)
    assert rests.has("a", Side.NEW, 12.9)
    assert not rests.has("a", Side.NEW, 13.1)


def test_the_first_answer_that_is_read_ends_it() -> None:
    """From then on everything is sent, and the next rest begins anew."""
    rests = Rests()
    unread(rests, FEW)
    assert rests.sends("a", Side.NEW, 1.0)
    rests.heard("a", Side.NEW, 1.0, whole=True)
    assert all(rests.sends("a", Side.NEW, 1.0) for _ in range(10))
    assert unread(rests, FEW, now=2.0)[-1]
    assert rests.sends("a", Side.NEW, 3.0)


@pytest.mark.parametrize(("route", "side"), [("b", Side.NEW), ("a", Side.LEGACY)])
def test_each_route_and_side_rests_for_itself(route: str, side: Side) -> None:
    """One stream of a side says nothing about its other answers."""
    rests = Rests()
    unread(rests, FEW)
    assert not rests.has(route, side, 0.0)
    assert rests.sends(route, side, 0.0)
