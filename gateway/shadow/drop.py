"""Why a copy was not compared. Every one that is not is counted, by cause and route: nothing is lost unseen."""

from __future__ import annotations

from enum import StrEnum

from gateway.telemetry import count


class Drop(StrEnum):
    """The causes, as the metric and the console name them."""

    QUEUE_FULL = "queue_full"  # as many copies wait as may
    BYTES = "bytes"  # what waits holds as many bytes as it may
    BODY_TOO_LARGE = "body_too_large"  # the request's body went past the cap, so that there is no copy of it
    BREAKER_OPEN = "breaker_open"  # the side has failed so often that it is left alone
    RESTING = "resting"  # the side's answers to this route are never read to their end: it is asked now and then only
    INCOMPLETE = "incomplete"  # the client sent or got no whole message, through no fault of a side's
    CLIENT_GONE = "client_gone"  # the client left before the end of its answer
    LATE = "late"  # it has waited for its turn so long that the answers would be of different times
    BUSY = "busy"  # no connection for copies was free
    SPARED = "spared"  # legacy would have to be asked a second time, and is as often as it may be
    CLOSING = "closing"  # the gateway ended first
    HOT_KEY = "hot_key"  # another write of the same kind is being rehearsed
    OVER_BUDGET = "over_budget"  # a write's rehearsal took longer than it may, or waited for a lock
    UNSAFE = "unsafe"  # a rehearsal did what cannot be rolled back: the route's writes are not rehearsed any more
    NO_REHEARSAL = "no_rehearsal"  # the new side cannot rehearse, or the client expects a 100 from legacy itself
    BUG = "bug"


def drop(route: str, why: Drop, copies: int = 1) -> None:
    """Count copies that are not compared."""
    count(f"shadow_dropped.{why}/{route}", copies)
