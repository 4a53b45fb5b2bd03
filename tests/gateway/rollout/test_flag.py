"""Stages change only as the table of transitions says, and every change makes the next version."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rollout.flag import WHOLE, Change, Flag, Flipped, Refused, apply
from gateway.rollout.stage import Move, Stage

ORDER = list(Stage)


@pytest.mark.parametrize("current", ORDER)
@pytest.mark.parametrize("wanted", ORDER)
def test_forward_is_one_stage_at_a_time_and_backward_always_allowed(current: Stage, wanted: Stage) -> None:
    """The whole table, cell by cell."""
    result = apply(Flag("r", stage=current), Change(wanted), by="ann")
    distance = ORDER.index(wanted) - ORDER.index(current)
    if distance > 1:
        assert isinstance(result, Refused)
        assert result.code == "bad_transition"
        assert str(ORDER[ORDER.index(current) + 1]) in result.sentence
    else:
        assert isinstance(result, Flipped)
        assert result.flag.stage is wanted
        assert result.move == {1: Move.PROMOTE, 0: Move.ADJUST}.get(distance, Move.ROLLBACK)


def test_a_skip_needs_force_and_a_reason() -> None:
    """Force without a reason is refused; with one the move is recorded as a skip."""
    flag = Flag("r")
    assert apply(flag, Change(Stage.NEW, force=True, reason=" "), by="ann") == Refused(
        "reason_missing", "force needs a reason"
    )
    forced = apply(flag, Change(Stage.NEW, force=True, reason="drill"), by="ann")
    assert isinstance(forced, Flipped)
    assert forced.move is Move.SKIP


@pytest.mark.parametrize("share", [-1, 10_001])
@pytest.mark.parametrize("name", ["canary", "sample"])
def test_a_share_outside_the_whole_is_refused(name: str, share: int) -> None:
    """Shares are counted in 1/10,000 and nothing else is accepted."""
    change = Change(Stage.SHADOW, **{name: share})  # type: ignore[arg-type]  # mypy cannot see which field it is
    assert isinstance(apply(Flag("r"), change, by="ann"), Refused)


def test_entering_canary_without_a_share_starts_small() -> None:
    """Nobody means 0 % or 100 % by not saying a share; the first one is 1 %."""
    result = apply(Flag("r", stage=Stage.SHADOW), Change(Stage.CANARY), by="ann")
    assert isinstance(result, Flipped)
    assert result.flag.canary == 100


def test_leaving_canary_forgets_the_share() -> None:
    """A route that comes back to canary later starts small again."""
    result = apply(Flag("r", stage=Stage.CANARY, canary=5_000), Change(Stage.LEGACY), by="ann")
    assert isinstance(result, Flipped)
    assert result.flag.canary == 0


@given(
    current=st.sampled_from(ORDER),
    wanted=st.sampled_from(ORDER),
    share=st.none() | st.integers(-5, 10_005),
    force=st.booleans(),
    reason=st.text(max_size=3),
)
def test_every_change_is_refused_whole_or_made_whole(
    current: Stage, wanted: Stage, share: int | None, force: bool, reason: str
) -> None:
    """Whatever is asked: either a reason why not, or a valid flag of the next version that says who and why."""
    flag = Flag("r", stage=current, version=7)
    result = apply(flag, Change(wanted, canary=share, reason=reason, force=force), by="ann")
    if isinstance(result, Refused):
        assert result.sentence
        return
    assert result.flag.version == 8
    assert result.flag.set_by == "ann"
    assert result.flag.stage is wanted
    assert 0 <= result.flag.canary <= WHOLE
    assert 0 <= result.flag.sample <= WHOLE
