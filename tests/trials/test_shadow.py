"""The shadow trial says yes and no: to wrong answers, to memory, and to a p99 beside the run's own noise."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.trials.shadow_verdict import Moved, Round, Seen, moved, noise, p99_line, p99_moved, verdicts


def rounds(*p99s: float) -> list[Round]:
    """Rounds of a hundred requests with this p99."""
    return [Round([1.0] * 99 + [each]) for each in p99s]


def seen(*, off: list[Round], on: list[Round], grown_mb: float = 1.0, wrong: int = 0) -> Seen:
    """What was seen."""
    return Seen(off, on, grown_mb, wrong, Counter())


QUIET = rounds(10.0, 10.1, 10.0, 9.9, 10.0)


def test_the_ratio_of_each_round_counts_and_not_that_of_all() -> None:
    """One round in which the machine paused moves the quartiles, and the median hardly."""
    one = seen(off=QUIET, on=rounds(10.2, 10.1, 50.0, 10.0, 10.1))
    assert moved(one).median == pytest.approx(1.01, abs=0.01)
    assert p99_moved(one) is Moved.NO


def test_a_p99_that_moved_is_told() -> None:
    """Half as much again is no noise where equal rounds differ by a hundredth."""
    one = seen(off=QUIET, on=rounds(15.0, 15.1, 15.2, 14.9, 15.0))
    assert p99_moved(one) is Moved.YES
    assert "p99 10.00 -> 15.00 ms, x1.500 (1.500 to 1.505): NOT within 5 %" in p99_line(one)


def test_a_machine_that_is_not_quiet_clears_and_blames_nobody() -> None:
    """Where rounds without copies differ by half, a tenth is not told apart from that."""
    one = seen(off=rounds(10.0, 15.0, 10.0, 15.0), on=rounds(11.0, 16.5, 11.0, 16.5))
    assert p99_moved(one) is Moved.NOBODY_KNOWS
    spread = noise(one)
    assert spread is not None
    assert spread.high == pytest.approx(1.5)


def test_a_single_round_has_nothing_to_be_held_against() -> None:
    """Then only the ratio is told."""
    assert "nothing to hold it against" in p99_line(seen(off=rounds(10.0), on=rounds(10.1)))


@pytest.mark.parametrize(("wrong", "grown_mb", "held"), [(0, 40.0, 2), (1, 40.0, 1), (0, 400.0, 1), (3, 400.0, 0)])
def test_a_wrong_answer_or_memory_without_end_is_not_as_wanted(wrong: int, grown_mb: float, held: int) -> None:
    """Whatever the machine does meanwhile."""
    found = verdicts(seen(off=QUIET, on=QUIET, grown_mb=grown_mb, wrong=wrong))
    assert sum(each.held for each in found) == held
