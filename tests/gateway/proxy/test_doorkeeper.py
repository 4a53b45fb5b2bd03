"""What the doors of one listener share, without a listener."""

from gateway.failure import Failure
from gateway.proxy.doorkeeper import TOLD_A_TICK, Doorkeeper


def test_a_flood_of_one_refusal_does_not_hide_another() -> None:
    """The log has some of each kind: a thousand requests too many had left no line for a connection too many."""
    keeper = Doorkeeper()
    told = [keeper.tells(Failure.TOO_MANY_REQUESTS) for _ in range(1_000)]
    assert told.count(True) == TOLD_A_TICK
    assert keeper.tells(Failure.TOO_MANY_CLIENTS)
