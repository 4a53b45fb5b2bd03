"""How many rehearsals may be under way."""

from gateway.shadow.rehearsals import Room


def test_there_are_fewer_when_one_was_late_and_never_none() -> None:
    """Half of those that were under way: that many were too much."""
    room = Room(64)
    room.late(8)
    assert room.most == 4
    for _ in range(9):
        room.late(1)
    assert room.most == 1


def test_there_are_more_again_while_all_are_in_time() -> None:
    """One more each time that all of them were; never more than there may be."""
    room = Room(4)
    room.late(2)
    for _ in range(20):
        room.in_time()
    assert room.most == 4
