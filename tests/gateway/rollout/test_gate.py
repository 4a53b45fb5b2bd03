"""What the gate says to what was seen, and which changes it is asked about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.rollout.besides import NEVER_COMPARED, taken_back
from gateway.rollout.evidence import Histogram, RouteEvidence, Stratum
from gateway.rollout.flag import Change, Flag
from gateway.rollout.gate import Answer, Judgement, asks_for_evidence, judge
from gateway.rollout.stage import Stage
from gateway.routing.route import Terms

TIMES = Histogram.of([1.0, 2.0, 3.0, 4.0, 20.0] * 600)
TAKEN_BACK = datetime(2026, 11, 21, 22, 59, 12, tzinfo=UTC)
READ = Stratum("GET", 2, (), (), "operator", "")
WRITE = Stratum("POST", 2, (), ("code", "weight"), "operator", "application/json")
CLEAN = RouteEvidence(
    "lots.list",
    "r1",
    matched=2995,
    control_ms=TIMES,
    candidate_ms=TIMES,
    served=frozenset({READ, WRITE}),
    compared=frozenset({READ, WRITE}),
)


def code_of(judgement: Judgement) -> list[str]:
    """The codes that stand in the way."""
    return [each.code for each in judgement.objections]


def test_2995_clean_samples_of_everything_served_pass() -> None:
    """With nothing against it and enough behind it, a route may go forward."""
    judgement = judge(CLEAN, Terms())
    assert judgement.answer is Answer.PASS
    assert judgement.needed == 0
    assert code_of(judgement) == []
    assert len(judgement.reasons) == 7


def test_one_sample_too_few_is_asked_for() -> None:
    """The answer is that one more is needed, neither yes nor no."""
    judgement = judge(replace(CLEAN, matched=2994), Terms())
    assert judgement.answer is Answer.INCONCLUSIVE
    assert judgement.needed == 1
    assert judgement.objections[0].figures["more_clean_samples"] == 1
    assert "1 more clean sample is needed" in judgement.objections[0].sentence


def test_one_of_each_is_no_plural() -> None:
    """What people read says `1 comparison`."""
    one = replace(CLEAN, matched=1, control_ms=Histogram.of([1.0]), candidate_ms=Histogram.of([1.0]))
    said = " ".join(each.sentence for each in judge(one, Terms()).reasons)
    assert "0 of 1 comparison mismatched" in said
    assert "0 of 1 request failed on the new side" in said
    assert "1 of 100 answers that are needed of both sides were timed" in said


def test_nothing_seen_is_inconclusive() -> None:
    """An empty record proves nothing, and fails nobody."""
    judgement = judge(RouteEvidence("lots.list", "r1"), Terms())
    assert judgement.answer is Answer.INCONCLUSIVE
    assert judgement.needed == 2995
    assert code_of(judgement) == ["mismatch_rate", "latency", "p95"]


def test_allowed_differences_are_samples_and_noise_is_none() -> None:
    """What somebody has allowed was compared; what legacy cannot keep still itself proves no equality."""
    assert judge(replace(CLEAN, matched=2000, allowed=995), Terms()).answer is Answer.PASS
    judgement = judge(replace(CLEAN, matched=2000, noise=995), Terms())
    assert (judgement.answer, judgement.needed) == (Answer.INCONCLUSIVE, 995)


def test_a_mismatch_rate_over_the_target_fails() -> None:
    """Fifty of a hundred are not waited for; a single one among thousands asks for more samples."""
    assert judge(replace(CLEAN, matched=50, mismatched=50), Terms()).answer is Answer.FAIL
    judgement = judge(replace(CLEAN, mismatched=1), Terms())
    assert (judgement.answer, judgement.needed) == (Answer.INCONCLUSIVE, 4742 - 2996)


def test_answers_that_nobody_can_read_count_as_mismatches() -> None:
    """One invalid JSON in two hundred is no draw: clients of the new side could not read it either."""
    judgement = judge(replace(CLEAN, not_comparable=15, broken=15), Terms())
    assert judgement.answer is Answer.FAIL
    assert code_of(judgement) == ["mismatch_rate"]
    said = judgement.objections[0]
    assert "15 of 3010 comparisons mismatched (15 for answers of the new side that nobody can read)" in said.sentence
    assert said.figures["broken"] == 15


def test_the_routes_own_target_counts() -> None:
    """A route that asks for 1 % needs 299 samples."""
    assert judge(replace(CLEAN, matched=299), Terms(target=0.01)).answer is Answer.PASS
    assert judge(replace(CLEAN, matched=298), Terms(target=0.01)).needed == 1


def test_a_single_disagreement_over_the_status_class_fails() -> None:
    """However many agree, one that answered 200 for a 404 is too many."""
    judgement = judge(replace(CLEAN, matched=10_000_000, class_disagreements=1), Terms())
    assert judgement.answer is Answer.FAIL
    assert code_of(judgement) == ["status_class"]


def test_errors_that_legacy_does_not_have_fail() -> None:
    """Fifteen failures against none are no chance; as many as legacy has are."""
    assert code_of(judge(replace(CLEAN, not_comparable=15, candidate_errors=15), Terms())) == ["errors"]
    assert judge(replace(CLEAN, not_comparable=15, candidate_errors=15, control_errors=15), Terms()).answer is (
        Answer.PASS
    )


def test_more_errors_than_the_route_allows_fail_among_few_requests() -> None:
    """Six of sixty against none are a chance of 1.4 % to a test of both sides, and none at all where 1 % may fail."""
    seen = replace(CLEAN, matched=54, mismatched=6, candidate_errors=6)
    assert [each.code for each in judge(seen, Terms(target=0.5)).objections if each.answer is Answer.FAIL] == ["errors"]
    allowed = judge(seen, Terms(target=0.5, errors=0.2))
    assert "errors" not in code_of(allowed)


def test_an_error_that_may_be_chance_is_waited_for() -> None:
    """One of sixty is more than 1 %, and tells nothing yet; one of a hundred and one is what may be."""
    judgement = judge(replace(CLEAN, matched=59, mismatched=1, candidate_errors=1), Terms(target=0.5))
    (reason,) = judgement.objections
    assert (reason.code, reason.answer) == ("errors", Answer.INCONCLUSIVE)
    assert "errors" not in code_of(judge(replace(CLEAN, matched=100, mismatched=1, candidate_errors=1), Terms()))


@pytest.mark.parametrize("failed", [20, 60, 100])
def test_a_side_that_fails_as_often_as_legacy_passes(failed: int) -> None:
    """However often that is: going back would help nobody."""
    seen = replace(CLEAN, matched=2995, candidate_errors=failed * 30, control_errors=failed * 30)
    assert "errors" not in code_of(judge(seen, Terms()))


def test_a_slower_new_side_fails_by_its_ranks() -> None:
    """30 ms on every answer are refused, in the middle and at the tail."""
    slow = Histogram.of([31.0, 32.0, 33.0, 34.0, 50.0] * 600)
    assert code_of(judge(replace(CLEAN, candidate_ms=slow), Terms())) == ["latency", "p95"]


@pytest.mark.parametrize("more", [0.2, 1.0, 4.0])
def test_a_few_milliseconds_more_do_not_refuse(more: float) -> None:
    """What nobody notices is within the slack, however certain the difference is."""
    slower = Histogram.of([each + more for each in (1.0, 2.0, 3.0, 4.0, 20.0)] * 6000)
    assert judge(replace(CLEAN, candidate_ms=slower), Terms()).answer is Answer.PASS


def test_a_slow_tail_fails_though_the_rest_is_fast() -> None:
    """A tenth of the answers at 400 ms is refused by the p95 alone when the rest got faster."""
    tail = Histogram.of([*[0.5] * 9, 400.0] * 300)
    assert code_of(judge(replace(CLEAN, candidate_ms=tail), Terms())) == ["p95"]


def test_a_kind_of_request_that_was_never_compared_is_named() -> None:
    """Reads prove nothing about writes."""
    judgement = judge(replace(CLEAN, compared=frozenset({READ})), Terms())
    assert judgement.answer is Answer.INCONCLUSIVE
    assert code_of(judgement) == ["coverage"]
    assert judgement.objections[0].figures["strata"] == ["POST 2xx {code weight} operator application/json"]


def test_what_legacy_failed_at_need_not_be_covered() -> None:
    """A 500 of legacy is nothing the new side has to repeat."""
    failed = Stratum("GET", 5, (), (), "", "")
    assert judge(replace(CLEAN, served=CLEAN.served | {failed}), Terms()).answer is Answer.PASS


def test_a_route_of_which_nothing_is_compared_is_told_so() -> None:
    """A write that is never copied cannot gather evidence: whoever waits would wait for ever."""
    judgement = judge(RouteEvidence("lots.create", "r1"), Terms(), NEVER_COMPARED)
    assert judgement.answer is Answer.INCONCLUSIVE
    assert code_of(judgement)[0] == "never_compared"


@pytest.mark.parametrize(("since", "answer"), [(None, Answer.INCONCLUSIVE), (TAKEN_BACK, Answer.PASS)])
def test_a_route_that_was_taken_back_is_told_from_when_on_comparisons_count(
    since: datetime | None, answer: Answer
) -> None:
    """Until one does it seems to have no mismatch at all, and was taken back for mismatches."""
    reason = taken_back(TAKEN_BACK, "49 of 49 compared requests mismatched", replace(CLEAN, since=since))
    assert reason.answer is answer
    assert reason.sentence == (
        "the route was taken back by itself at 2026-11-21 22:59:12 (49 of 49 compared requests mismatched): "
        "what was compared before 23:00:00 UTC does not count"
    )


def test_too_much_that_cannot_be_compared_is_inconclusive() -> None:
    """What nobody could read could hide anything."""
    judgement = judge(replace(CLEAN, not_comparable=400), Terms())
    assert judgement.answer is Answer.INCONCLUSIVE
    assert code_of(judgement) == ["not_comparable"]


@pytest.mark.parametrize(
    ("now", "share", "to", "wanted", "asked"),
    [
        ("legacy", 0, "shadow", None, False),
        ("shadow", 0, "shadow", None, False),
        ("shadow", 0, "canary", None, True),
        ("shadow", 0, "canary", 1, True),
        ("canary", 100, "canary", None, False),
        ("canary", 100, "canary", 99, False),
        ("canary", 100, "canary", 101, True),
        ("canary", 100, "new", None, True),
        ("new", 0, "canary", 5000, False),
        ("new", 0, "new", None, False),
        ("new", 0, "retired", None, True),
        ("retired", 0, "new", None, False),
        ("canary", 100, "shadow", None, False),
        ("new", 0, "legacy", None, False),
        ("legacy", 0, "new", None, True),
    ],
)
def test_the_gate_is_asked_when_more_callers_meet_the_new_side(
    now: str, share: int, to: str, wanted: int | None, asked: bool
) -> None:
    """Every way forward but the one into shadow, a growing share too, and no way back."""
    flag = Flag("lots.list", Stage(now), canary=share)
    assert asks_for_evidence(flag, Change(Stage(to), canary=wanted)) is asked
