"""When a route is taken back: what is watched, against what, and that ordinary days raise no alarm."""

from __future__ import annotations

import random

from gateway.rollout.breach import Breach, Breached, Seen, Watch, slow_after, slowest_s
from gateway.rollout.evidence import Histogram
from gateway.routing.route import Terms

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
LIMIT = 0.1


def breach_in(watch: Watch, seen: Seen, looks: int, limit: float | None = LIMIT) -> tuple[int, Breach] | None:
    """Which look found what."""
    for look in range(1, looks + 1):
        if breach := watch.saw(seen, limit):
            return look, breach
    return None


def test_a_side_that_fails_everything_is_a_breach_at_the_first_look() -> None:
    """Ten failures of ten requests are enough, and the sentence counts them."""
    found = breach_in(Watch(Terms()), Seen(answered=10, failed=10), 5)
    assert found is not None
    assert (found[0], found[1].what, found[1].seen.affected) == (1, Breached.ERRORS, 10)
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


def test_the_limit_is_well_above_legacys_p95() -> None:
    """Twice the p95 and 50 ms at the least, rounded up to a bound; none beyond the bounds."""
    assert slow_after([190, 0, 0, 0, 0, 10, 0, 0, 0], BOUNDS) == 0.1
    assert slow_after([0, 0, 0, 0, 200, 0, 0, 0, 0], BOUNDS) == 0.25
    assert slow_after([0, 0, 0, 0, 0, 0, 0, 200, 0], BOUNDS) is None
    assert slow_after([0, 0, 0, 0, 0, 0, 0, 0, 200], BOUNDS) is None


def test_few_times_of_legacy_tell_only_a_side_that_hangs() -> None:
    """From 20 of them on, it is five times the slowest and a second at the least; fewer say nothing."""
    assert slow_after([199, 0, 0, 0, 0, 0, 0, 0, 0], BOUNDS) == 1.0
    assert slow_after([10, 0, 0, 0, 0, 10, 0, 0, 0], (*BOUNDS, 2.5)) == 2.5
    assert slow_after([10, 0, 0, 0, 0, 0, 0, 10, 0], BOUNDS) is None
    assert slow_after([19, 0, 0, 0, 0, 0, 0, 0, 0], BOUNDS) is None


def test_what_evidence_knows_of_legacy_stands_in_for_what_this_process_does_not() -> None:
    """A process that has just started notices a side that hangs; as soon as it has times of its own they count."""
    few, enough = [19, 0, 0, 0, 0, 0, 0, 0, 0], [20, 0, 0, 0, 0, 0, 0, 0, 0]
    assert slow_after(few, (*BOUNDS, 2.5), known_s=0.01) == 1.0
    assert slow_after(few, (*BOUNDS, 2.5), known_s=0.3) == 2.5
    assert slow_after(enough, (*BOUNDS, 2.5), known_s=0.3) == 1.0
    assert slow_after(few, BOUNDS, known_s=0.3) is None


def test_an_accident_among_many_is_not_legacys_slowest() -> None:
    """One answer of half a minute would excuse every side that hangs; fewer than 20 times say nothing."""
    assert slowest_s(Histogram.of([4.0] * 999 + [30_000.0])) == 0.0047
    assert slowest_s(Histogram.of([4.0] * 19)) is None
    assert slowest_s(Histogram.of([100_000.0] * 50)) is None


def test_whoever_still_waits_is_named() -> None:
    """Of those that are slow, some have no answer yet."""
    breach = Watch(Terms()).saw(Seen(answered=10, slow=10), LIMIT, waiting=9)
    assert breach is not None
    assert breach.sentence == "10 of 10 requests took the new side more than 0.1 s, 10% may; 9 of them still wait"
