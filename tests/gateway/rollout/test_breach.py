"""When a route is taken back: what is watched, against what, and that ordinary days raise no alarm."""

from __future__ import annotations

import random

from gateway.rollout.breach import Breach, Breached, Seen, Watch
from gateway.rollout.slow import Limit
from gateway.routing.route import Terms

LIMIT = Limit(0.1)


def breach_in(watch: Watch, seen: Seen, looks: int, limit: Limit | None = LIMIT) -> tuple[int, Breach] | None:
    """Which look found what."""
    for look in range(1, looks + 1):
        if breach := watch.saw(seen, limit):
            return look, breach
    return None


def test_a_side_that_fails_everything_is_a_breach_at_the_first_look() -> None:
    """Ten failures of ten requests are enough, and the sentence counts them."""
    found = breach_in(Watch(Terms()), Seen(answered=10, failed=10), 5)
    assert found is not None
    assert (found[0], found[1].what, found[1].affected) == (1, Breached.ERRORS, 10)
    assert found[1].sentence == "the new side failed 10 of 10 requests, 1.00% may fail"


def test_errors_that_legacy_has_too_are_no_breach() -> None:
    """When both lose their database, going back would help nobody."""
    assert breach_in(Watch(Terms()), Seen(answered=10, failed=3, legacy=10, legacy_failed=3), 50) is None
    assert breach_in(Watch(Terms()), Seen(answered=10, failed=3), 50) is not None


def test_what_legacy_failed_yesterday_excuses_nothing_today() -> None:
    """Its errors count while they last, and a short while after."""
    watch = Watch(Terms())
    assert breach_in(watch, Seen(answered=10, failed=5, legacy=10, legacy_failed=5), 20) is None
    assert breach_in(watch, Seen(answered=10, failed=5, legacy=10), 40) is not None


def test_what_legacy_rescued_is_a_failure_that_is_heard_of_later() -> None:
    """The requests have ended well for their clients looks ago; the failures count all the same."""
    watch = Watch(Terms())
    assert watch.saw(Seen(answered=10), LIMIT) is None
    breach = watch.saw(Seen(failed=10), LIMIT)
    assert breach is not None
    assert breach.what is Breached.ERRORS


def test_mismatches_beyond_the_target_are_a_breach() -> None:
    """A planted difference in every second compared request is seen at once."""
    found = breach_in(Watch(Terms()), Seen(answered=20, compared=10, mismatched=5, wrong=5), 3)
    assert found is not None
    assert (found[0], found[1].what) == (1, Breached.MISMATCHES)


def test_a_slow_side_is_a_breach_where_legacy_is_known() -> None:
    """Half of the requests above the limit are; without a measure of legacy nothing is said."""
    slow = Seen(answered=10, slow=5)
    found = breach_in(Watch(Terms()), slow, 20)
    assert found is not None
    assert found[1].what is Breached.LATENCY
    assert breach_in(Watch(Terms()), slow, 20, None) is None


def test_ordinary_days_are_quiet() -> None:
    """Two hundred watched days with half the tolerated errors, mismatches and slow answers: no alarm."""
    dice = random.Random(42)
    for _ in range(200):
        watch = Watch(Terms())
        for _ in range(200):
            failed, slow = (sum(dice.random() < share for _ in range(20)) for share in (0.005, 0.05))
            mismatched = sum(dice.random() < 0.0005 for _ in range(20))
            assert watch.saw(Seen(20, failed, slow, 20, mismatched, mismatched), LIMIT) is None


def test_whoever_still_waits_is_named() -> None:
    """Of those that are slow, some have no answer yet."""
    breach = Watch(Terms()).saw(Seen(answered=10, slow=10), LIMIT, waiting=9)
    assert breach is not None
    assert breach.sentence == "10 of 10 requests took the new side more than 0.1 s, 10% may; 9 of them still wait"


def test_the_same_share_of_slow_answers_needs_more_of_them_where_less_is_known() -> None:
    """Half of the requests are slow: with 200 times of legacy that is soon a breach, where half may be it never is."""
    slow = Seen(answered=10, slow=5, late=5)
    sure, unsure = breach_in(Watch(Terms()), slow, 20), breach_in(Watch(Terms()), slow, 200, Limit(0.1, 0.3))
    assert sure is not None
    assert unsure is not None
    assert sure[0] < unsure[0]
    assert unsure[1].sentence.endswith("requests took the new side more than 0.1 s, 30% may")
    assert breach_in(Watch(Terms()), slow, 200, Limit(0.1, 0.5)) is None


def test_what_is_affected_depends_on_what_went_wrong() -> None:
    """Late answers are where latency is the cause; a client whom legacy rescued was served; nobody counts twice."""
    seen = Seen(answered=100, failed=10, slow=30, compared=50, mismatched=8, wrong=6, late=22, rescued=4)
    assert seen.affected(Breached.ERRORS) == 10 - 4 + 6
    assert seen.affected(Breached.MISMATCHES) == 10 - 4 + 6
    assert seen.affected(Breached.LATENCY) == 10 - 4 + 6 + 22
