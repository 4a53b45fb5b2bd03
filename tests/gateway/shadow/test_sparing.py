"""Each route may have so many rechecks at once and a second, and is held to be noisy for a while after it was."""

from gateway.shadow.sparing import REMEMBERED_S, Rechecks, Skip


def test_so_many_are_under_way_at_once() -> None:
    """One that ends makes room for another; other routes have room of their own."""
    rechecks = Rechecks(2)
    assert [rechecks.begin("a", 0.0) for _ in range(3)] == [None, None, Skip.BUSY]
    assert rechecks.begin("b", 0.0) is None
    rechecks.end("a")
    assert rechecks.begin("a", 0.0) is None


def test_so_many_begin_in_a_second() -> None:
    """And no more after a long time without any."""
    rechecks = Rechecks(1_000, per_s=5)
    for moment in (0.0, 1.0, 3_600.0):
        assert [rechecks.begin("a", moment) for _ in range(6)] == [None] * 5 + [Skip.TOO_OFTEN]
    assert rechecks.begin("a", 3_600.25) is None


def test_one_that_is_refused_uses_nothing_up() -> None:
    """Neither room nor one of a second's."""
    rechecks = Rechecks(1, per_s=2)
    assert [rechecks.begin("a", 0.0) for _ in range(5)] == [None] + [Skip.BUSY] * 4
    rechecks.end("a")
    assert rechecks.begin("a", 0.0) is None


def test_none_at_all_may_be_wanted() -> None:
    """Then legacy is asked once, whatever differs, and no route is held to be noisy."""
    rechecks = Rechecks(8, per_s=0)
    assert rechecks.begin("a", 0.0) is rechecks.begin("a", 1e6) is Skip.TOO_OFTEN
    assert not rechecks.may_be_noise("a", 1e6)


def test_noise_is_remembered_for_a_while() -> None:
    """Of the route that showed it."""
    rechecks = Rechecks(8)
    rechecks.begin("a", 0.0)
    rechecks.begin("b", 0.0)
    rechecks.end("a")
    rechecks.end("b")
    rechecks.noisy("a", 1.0)
    assert rechecks.may_be_noise("a", REMEMBERED_S)
    assert not rechecks.may_be_noise("a", 2 * REMEMBERED_S)
    assert not rechecks.may_be_noise("b", 2.0)


def test_nobody_knows_of_a_route_whose_first_rechecks_are_under_way() -> None:
    """A burst after a start is larger than the rechecks at once, and the rest of it was held to be mismatches."""
    rechecks = Rechecks(1)
    assert [rechecks.begin("a", 0.0) for _ in range(2)] == [None, Skip.BUSY]
    assert rechecks.may_be_noise("a", 0.0)
    rechecks.end("a")
    assert not rechecks.may_be_noise("a", 0.0)
