"""Thousands of paired answers from a seed: no planted change is missed, and nothing is a false alarm."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.diff.compare import compare
from gateway.diff.noise import judge_again
from gateway.diff.rules import Rules
from gateway.diff.verdict import Outcome, Verdict
from tests.gateway.diff.answers import TODAY, found
from tests.gateway.diff.corpus import Pair, pairs

SEEDS = range(6)


def judged(pair: Pair) -> Verdict:
    """The verdict, after a recheck where the pair has one."""
    rules = Rules(pair.rules)
    verdict = compare(pair.control, pair.candidate, rules, today=TODAY)
    if pair.again is not None:
        verdict = judge_again(verdict, pair.control, [pair.again], pair.candidate, rules, today=TODAY)
    return verdict


@pytest.mark.parametrize("seed", SEEDS)
def test_every_pair_is_sorted_rightly(seed: int) -> None:
    """Outcome, kinds and places are those that were planted, and no others."""
    for number, pair in enumerate(pairs(seed)):
        verdict = judged(pair)
        assert (verdict.outcome, tuple(found(verdict))) == (pair.outcome, pair.found), (
            f"{pair.name} ({seed}, {number}): {verdict}\n{pair.control}\n{pair.candidate}"
        )


def test_the_corpus_has_every_sort_of_pair() -> None:
    """Or the test above would prove less than it says."""
    counted = Counter(pair.outcome for seed in SEEDS for pair in pairs(seed))
    assert set(counted) == set(Outcome)
    assert min(counted.values()) >= 30
