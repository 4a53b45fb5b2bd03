"""The breaker's table, by the clock of the test."""

import pytest

from gateway.relay.breaker import SPREAD, Breaker, Miss, Rules, State

RULES = Rules(misses=3, open_s=1.0, longest_s=8.0)


def breaker(rules: Rules = RULES) -> Breaker:
    """One whose open times are not shortened by chance."""
    return Breaker(rules, chance=lambda: 0.0)


def opened(miss: Miss = Miss.REFUSED) -> Breaker:
    """One that has opened at 0 and stays open until 1."""
    this = breaker()
    for _ in range(RULES.misses):
        this.missed(miss, 0.0)
    return this


@pytest.mark.parametrize("miss", Miss)
def test_it_opens_after_so_many_misses_in_a_row(miss: Miss) -> None:
    """Not one earlier."""
    this = breaker()
    for _ in range(RULES.misses - 1):
        this.missed(miss, 0.0)
    assert this.state is State.CLOSED
    this.missed(miss, 0.0)
    assert (this.state, this.opened, this.admits(0.5)) == (State.OPEN, 1, False)


def test_an_answer_in_between_begins_the_count_anew() -> None:
    """Only misses in a row count."""
    this = breaker()
    for _ in range(10):
        this.missed(Miss.UNANSWERED, 0.0)
        this.missed(Miss.SILENT, 0.0)
        this.answered()
    assert this.state is State.CLOSED


def test_without_misses_allowed_it_never_opens() -> None:
    """0 switches it off."""
    this = breaker(Rules(misses=0))
    for _ in range(100):
        this.missed(Miss.SILENT, 0.0)
    assert (this.state, this.admit(0.0)) == (State.CLOSED, True)


def test_one_tries_when_the_open_time_is_over() -> None:
    """The others wait for its outcome."""
    this = opened()
    assert not this.admit(0.99)
    assert this.admit(1.0)
    assert this.state is State.HALF_OPEN
    assert not this.admits(1.1)
    assert not this.admit(1.1)


def test_an_attempt_without_an_outcome_yet_does_not_keep_others_out_for_ever() -> None:
    """A slow answer is no reason for an outage as long as itself."""
    this = opened(Miss.UNANSWERED)
    assert [this.admit(now) for now in (1.0, 1.5, 2.0, 2.5)] == [True, False, True, False]


def test_a_success_closes_it() -> None:
    """Then everybody tries, and the count begins anew."""
    this = opened()
    this.admit(1.0)
    this.answered()
    assert (this.state, this.misses, this.admit(1.0), this.admit(1.0)) == (State.CLOSED, 0, True, True)


def test_a_connection_is_success_enough_where_connections_were_missed() -> None:
    """It is none where answers were: something accepts, and nobody answers."""
    refused, unanswered = opened(Miss.REFUSED), opened(Miss.UNANSWERED)
    for this in (refused, unanswered):
        this.admit(1.0)
        this.connected()
    assert (refused.state, unanswered.state) == (State.CLOSED, State.HALF_OPEN)


def test_a_connection_alone_does_not_begin_the_count_of_missed_answers_anew() -> None:
    """What accepts and hangs up opens it, though each attempt connected."""
    this = breaker()
    for _ in range(RULES.misses):
        this.connected()
        this.missed(Miss.UNANSWERED, 0.0)
    assert this.state is State.OPEN


def test_a_late_answer_closes_it_too() -> None:
    """An answer to something asked before it opened is an answer."""
    this = opened(Miss.UNANSWERED)
    this.answered()
    assert this.state is State.CLOSED


@pytest.mark.parametrize(
    ("miss", "periods"),
    [(Miss.REFUSED, [1, 1, 1, 1, 1]), (Miss.SILENT, [2, 4, 8, 8, 8]), (Miss.UNANSWERED, [2, 4, 8, 8, 8])],
)
def test_the_open_time_doubles_where_failing_takes_time(miss: Miss, periods: list[float]) -> None:
    """A refusal costs nothing to ask for again, so a restart is noticed soon after it is over."""
    this, now, seen = opened(miss), 1.0, []
    for _ in range(5):
        assert this.admit(now)
        this.missed(miss, now)
        later = next(tenth / 10 for tenth in range(200) if this.admits(now + tenth / 10))
        seen.append(later)
        now += later
    assert seen == periods
    this.admit(now)
    this.answered()
    for _ in range(RULES.misses):
        this.missed(miss, now)
    assert this.admits(now + 1.0)


def test_misses_of_attempts_from_before_it_opened_change_nothing() -> None:
    """They were under way, and do not make it open longer."""
    this = opened(Miss.SILENT)
    this.missed(Miss.SILENT, 0.9)
    assert (this.opened, this.admits(1.0)) == (1, True)


def test_an_attempt_that_was_given_up_lets_the_next_one_try() -> None:
    """The caller left: nothing is known, and nobody must wait for it."""
    this = opened()
    this.admit(1.0)
    this.left(1.1)
    assert this.admit(1.1)


def test_open_times_are_spread() -> None:
    """Many gateways do not come back in the same moment, and none later than said."""
    lows = Breaker(RULES, chance=lambda: 0.999)
    for _ in range(RULES.misses):
        lows.missed(Miss.SILENT, 0.0)
    assert lows.admits(1.0 - SPREAD + 0.01)
    assert not lows.admits(1.0 - SPREAD - 0.01)


def test_it_says_for_how_long_nobody_is_let_through() -> None:
    """Until its open time is over; half-open, until the next may try."""
    this = opened()
    assert [this.closed_for_s(now) for now in (0.0, 0.75, 1.0, 2.0)] == [1.0, 0.25, 0.0, 0.0]
    assert this.admit(1.0)
    assert this.closed_for_s(1.25) == 0.75
    this.answered()
    assert this.closed_for_s(1.25) == 0.0
