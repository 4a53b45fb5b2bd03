"""Legacy is asked again so often a second about each route, which is held to be noisy for a while after it was."""

from gateway.shadow.sparing import REMEMBERED_S, Rechecks


def asked(rechecks: Rechecks, times: int, now: float, *, first: bool = True) -> int:
    """How often legacy may be asked of so many times."""
    return sum(rechecks.may_ask("a", now, first=first) for _ in range(times))


def test_so_many_questions_are_asked_in_a_second() -> None:
    """And no more after a long time without any; other routes have their own."""
    rechecks = Rechecks(per_s=5)
    assert [asked(rechecks, 6, moment) for moment in (0.0, 1.0, 3_600.0)] == [5, 5, 5]
    assert rechecks.may_ask("a", 3_600.25, first=True)
    assert rechecks.may_ask("b", 3_600.25, first=True)


def test_further_questions_leave_half_of_them_for_the_first_about_a_request() -> None:
    """Else a few requests that need many would leave all others without any."""
    rechecks = Rechecks(per_s=10)
    assert asked(rechecks, 10, 0.0, first=False) == 6
    assert asked(rechecks, 10, 0.0) == 4


def test_none_at_all_may_be_wanted() -> None:
    """Then legacy is asked once, whatever differs, and no route is held to be noisy."""
    rechecks = Rechecks(per_s=0)
    assert asked(rechecks, 1, 0.0) == asked(rechecks, 1, 1e6) == 0
    assert not rechecks.may_be_noise("a", 1e6)


def test_noise_is_remembered_for_a_while() -> None:
    """Of the route that showed it."""
    rechecks = Rechecks()
    for route in "ab":
        rechecks.begin(route, 0.0)
        rechecks.end(route, 1.0, noisy=route == "a")
    assert rechecks.may_be_noise("a", REMEMBERED_S)
    assert not rechecks.may_be_noise("a", 2 * REMEMBERED_S)
    assert not rechecks.may_be_noise("b", 2.0)


def test_nobody_knows_of_a_route_that_is_asked_about_for_the_first_time() -> None:
    """A burst after a start is larger than a second's questions, and the rest of it was held to be mismatches."""
    rechecks = Rechecks()
    rechecks.begin("a", 0.0)
    assert rechecks.may_be_noise("a", 0.0)
    rechecks.end("a", 0.0, noisy=False)
    rechecks.begin("a", 0.0)
    assert not rechecks.may_be_noise("a", 0.0)
