"""Which stored flags may take force: newer ones always, older ones only after an operator's word."""

from gateway.db.accept import Accepted, accept, put_in_force
from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage

from .fixtures import new_live

R = "lots.create"


def at(version: int, stage: Stage = Stage.SHADOW) -> dict[str, Flag]:
    return {R: Flag(R, stage, version=version)}


def test_newer_version_takes_force() -> None:
    """The ordinary case: the database is ahead."""
    assert accept(at(3), before=at(2), now=at(2), went_back={}) == Accepted(at(3), {})


def test_version_that_went_back_is_refused_and_named() -> None:
    """The newer flag stays, and what the database has instead is reported."""
    assert accept(at(3), before=at(7), now=at(7), went_back={}) == Accepted(at(7), {R: 3})


def test_flag_that_vanished_counts_as_version_zero() -> None:
    """An emptied table moves nobody."""
    assert accept({}, before=at(7), now=at(7), went_back={}) == Accepted(at(7), {R: 0})


def test_change_made_after_going_back_is_an_operators_word() -> None:
    """Once the restored version grows, somebody has flipped it on purpose."""
    assert accept(at(4), before=at(7), now=at(7), went_back={R: 3}) == Accepted(at(4), {})
    assert accept(at(3), before=at(7), now=at(7), went_back={R: 3}) == Accepted(at(7), {R: 3})


def test_own_flip_during_the_question_is_not_going_back() -> None:
    """An answer that was overtaken by a flip of this process neither undoes it nor raises an alarm."""
    assert accept(at(2), before=at(2), now=at(3), went_back={}) == Accepted(at(3), {})


def test_same_version_with_other_content_follows_the_database() -> None:
    """Equal versions do not go back; the database is the truth."""
    assert accept(at(7, Stage.NEW), before=at(7), now=at(7), went_back={}) == Accepted(at(7, Stage.NEW), {})


def test_own_flip_never_replaces_a_newer_flag() -> None:
    """What another process flipped meanwhile stays in force."""
    live = new_live(R)
    put_in_force(live, at(5)[R])
    put_in_force(live, at(4)[R])
    assert live.plan.flags == at(5)
