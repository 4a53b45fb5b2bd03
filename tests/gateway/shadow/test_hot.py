"""Turns on what is written again and again."""

from gateway.shadow.hot import Turns


def test_a_second_write_on_a_key_gets_no_turn_and_touches_the_first() -> None:
    """Once the turn is given back there is another."""
    turns = Turns()
    first = turns.take("key")
    assert first is not None
    assert (turns.take("key"), first.touched) == (None, True)
    turns.give(first)
    assert turns.take("key") is not None


def test_a_write_that_passes_without_a_turn_touches_whoever_has_it() -> None:
    """It is not rehearsed, but legacy does it: between the halves of the one that is."""
    turns = Turns()
    mine, other = turns.take("key"), turns.take("another")
    assert mine is not None
    assert other is not None
    turns.touch("key")
    turns.touch("nobody's")
    assert (mine.touched, other.touched) == (True, False)
