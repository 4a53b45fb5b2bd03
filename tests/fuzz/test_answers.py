"""The relay's reader beside h11: mutated answers, cut anywhere, on connections that are used again."""

from tests.fuzz.answers import KEPT, LOOSER, STRICTER, exchanges, verdicts


def test_the_reader_and_h11_read_the_same_answers() -> None:
    """Some thousand mutated answers of a fixed seed; `make fuzz` has a hundred thousand of new ones."""
    assert [wrong for number in range(8_000) for wrong in verdicts(f"20261121/{number}")] == []


def test_most_answers_are_read_by_both() -> None:
    """The generator makes answers, kept connections and ends of connections, not only noise."""
    made = [exchanges(f"1/{number}") for number in range(500)]
    assert 100 < sum(len(one) > 1 for one in made) < 400
    assert {exchange.ends for one in made for exchange in one} == {True, False}
    assert {exchange.head_only for one in made for exchange in one} == {True, False}


def test_every_difference_has_a_reason() -> None:
    """A reason is a sentence; there is none that holds for a plain answer."""
    for name in {*KEPT, *LOOSER, *STRICTER}:
        assert len(name.split()) > 2
