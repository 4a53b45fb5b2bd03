"""Rollouts: what may be planned, and what comes next at every moment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.rollout.flag import Change, Flag
from gateway.rollout.gate import Answer, Judgement, Reason
from gateway.rollout.stage import Stage
from gateway.rollout.steps import Rollout, State, Stay, Step, Take, bad_steps, needs_gate, next_move

STEPS = (Step(Stage.CANARY, 100), Step(Stage.CANARY, 10_000), Step(Stage.NEW))
PLAN = Rollout(1, "lots.list", STEPS, 60.0, State.RUNNING, 0, 1, 0.0, "ann", "")
SHADOW = Flag("lots.list", Stage.SHADOW, version=1)
YES = Judgement(Answer.PASS, ())
NO = Judgement(Answer.FAIL, (Reason("status_class", Answer.FAIL, "they disagreed"),))
WAIT = Judgement(Answer.INCONCLUSIVE, (Reason("mismatch_rate", Answer.INCONCLUSIVE, "5 more"),), 5)


@pytest.mark.parametrize("text", ["1%", "0.01%", "2.5%", "100%", "new"])
def test_a_step_reads_as_it_is_written(text: str) -> None:
    """Shares from 0.01 % to 100 %, and new."""
    assert str(Step.parse(text)) == text


@pytest.mark.parametrize("text", ["", "0%", "101%", "5", "-1%", "1.234%", "legacy", "1e2%", "٥%", "5%%"])
def test_what_is_no_step_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="is no step"):
        Step.parse(text)


def test_steps_lead_forward_from_where_the_route_is() -> None:
    """They start in shadow or canary, and each leads further."""
    assert bad_steps(STEPS, SHADOW) is None
    assert "begins in shadow or canary" in (bad_steps(STEPS, replace(SHADOW, stage=Stage.LEGACY)) or "")
    assert "further" in (bad_steps((STEPS[1], STEPS[0]), SHADOW) or "")
    assert "the first further than 1%: " in (bad_steps(STEPS, Flag("lots.list", Stage.CANARY, canary=100)) or "")
    assert "1 to 50" in (bad_steps((), SHADOW) or "")


def test_the_first_step_waits_for_the_gate_alone() -> None:
    """Nothing bakes before it; a pass takes it, missing evidence waits, a failure pauses with the reasons."""
    assert needs_gate(PLAN, SHADOW)
    assert next_move(PLAN, SHADOW, YES) == Take(Change(Stage.CANARY, 100))
    assert next_move(PLAN, SHADOW, WAIT) == Stay(State.RUNNING, ("5 more",))
    assert next_move(PLAN, SHADOW, NO) == Stay(State.PAUSED, ("they disagreed",))


def test_a_step_bakes_before_the_next() -> None:
    """The gate is not even asked before that."""
    flag = Flag("lots.list", Stage.CANARY, 100, version=2)
    baking = replace(PLAN, taken=1, version=2, baked_s=59.0)
    assert not needs_gate(baking, flag)
    assert next_move(baking, flag, None) == Stay(State.RUNNING, ("step 1 bakes for another 1 s",))
    assert needs_gate(replace(baking, baked_s=60.0), flag)
    assert next_move(replace(baking, baked_s=60.0), flag, YES) == Take(Change(Stage.CANARY, 10_000))


def test_the_last_step_bakes_too() -> None:
    """Then it is done, without a question."""
    flag = Flag("lots.list", Stage.NEW, version=4)
    last = replace(PLAN, taken=3, version=4, baked_s=1.0)
    assert isinstance(next_move(last, flag, None), Stay)
    assert next_move(replace(last, baked_s=60.0), flag, None) == Stay(State.DONE)
    assert not needs_gate(replace(last, baked_s=60.0), flag)


def test_whoever_else_moves_the_route_ends_it() -> None:
    """A rollback, by itself or by a person, is the end of the plan, and is named."""
    flag = Flag("lots.list", Stage.LEGACY, version=3, set_by="auto-rollback", reason="it failed")
    moved = next_move(replace(PLAN, taken=1, version=2), flag, None)
    assert moved == Stay(State.ENDED, ("auto-rollback moved the route to legacy: it failed",))
