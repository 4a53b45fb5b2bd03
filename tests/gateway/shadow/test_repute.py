"""Legacy is asked about a mismatch as often as what is known of its places asks for."""

from gateway.diff.verdict import Kind, Outcome
from gateway.shadow.repute import MOST, ONCE, RESTLESS, STEADY, UNKNOWN, Repute
from gateway.shadow.sparing import REMEMBERED_S
from gateway.shadow.spots import Spot


def differs(place: str) -> Spot:
    return Spot(Outcome.MISMATCHED, place, Kind.VALUE, 0)


def noise(place: str) -> Spot:
    return Spot(Outcome.NOISE, place, Kind.VALUE, 0)


def test_a_place_is_known_once_its_mismatch_was_left_a_few_times() -> None:
    """Until then legacy may have agreed with itself by chance."""
    repute = Repute()
    for _ in range(STEADY):
        assert repute.questions("a", [differs("body/a")], 0.0) == UNKNOWN
        repute.learn("a", [differs("body/a")], 0.0)
    assert repute.questions("a", [differs("body/a")], 0.0) == ONCE
    assert repute.questions("b", [differs("body/a")], 0.0) == UNKNOWN
    assert repute.questions("a", [differs("body/a"), differs("body/b")], 0.0) == UNKNOWN


def test_a_place_at_which_legacy_disagreed_with_itself_is_asked_about_often() -> None:
    """For a while, and whatever it was before."""
    repute = Repute()
    for _ in range(STEADY):
        repute.learn("a", [differs("body/coin")], 0.0)
    repute.learn("a", [noise("body/coin")], 5.0)
    assert repute.questions("a", [differs("body/coin")], REMEMBERED_S) == RESTLESS
    assert repute.questions("a", [differs("body/coin")], REMEMBERED_S + 6) == UNKNOWN


def test_noise_beside_a_mismatch_is_no_reason_to_ask() -> None:
    """Only what is left of it is asked about."""
    repute = Repute()
    for _ in range(STEADY):
        repute.learn("a", [differs("body/a"), noise("body/id")], 0.0)
    assert repute.questions("a", [differs("body/a"), noise("body/id")], 0.0) == ONCE


def test_a_bounded_number_of_places_is_known() -> None:
    """The one that was asked about longest ago is forgotten first."""
    repute = Repute()
    for _ in range(STEADY):
        repute.learn("a", [differs("old"), differs("kept")], 0.0)
    for number in range(MOST - 1):
        repute.learn("a", [differs(f"body/{number}"), differs("kept")], 0.0)
    assert repute.questions("a", [differs("old")], 0.0) == UNKNOWN
    assert repute.questions("a", [differs("kept")], 0.0) == ONCE
