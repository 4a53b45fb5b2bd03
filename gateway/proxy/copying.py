"""Stop 8: from an exchange whose client has its answer to a job for the mirror. It waits for nothing.

What is made here is made after the client's bytes are on their way: both fronts call `offer` on the next turn of the
loop, because a socket is written to at the end of this one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from gateway.failure import Failure
from gateway.message import Observation, OutboundRequest, Side
from gateway.proxy.arrival import Arrival
from gateway.proxy.outbound import Addressing, build, copy_of
from gateway.proxy.tap import Capture
from gateway.rollout.routed import Routed
from gateway.shadow.drop import Drop
from gateway.shadow.job import Job, Watch
from gateway.shadow.mirror import Mirror
from gateway.upstream.wire import SAFE_METHODS


class Exchanged(NamedTuple):
    """An exchange that is over: `failure` is what the client got in place of an answer, or of its end."""

    capture: Capture
    arrival: Arrival
    routed: Routed
    failure: Failure | None
    watch: Watch | None


def captured(mirror: Mirror, routed: Routed, *, cap: int) -> Capture | None:
    """What keeps an exchange that is to be compared; None also where its copy would find no room."""
    shadow = routed.decision.shadow
    if shadow is None or not mirror.has_room(shadow, routed.key):
        return None
    return Capture(routed.key, routed.decision.authoritative, cap=cap, budget=mirror.budget)


def offer(mirror: Mirror, addressing: Addressing, done: Exchanged) -> None:
    """Offer the copy, or count why there is none."""
    answered = done.capture.observation(done.failure)
    if isinstance(answered, Drop):
        done.capture.dropped(answered)
    else:
        mirror.offer(_job(addressing, done, answered), held=done.capture.hand_over())


def _job(addressing: Addressing, done: Exchanged, answered: Observation) -> Job:
    capture, arrival, routed = done.capture, done.arrival, done.routed
    request, body = arrival.request, capture.body

    def made(side: Side) -> OutboundRequest:
        return copy_of(build(arrival, side, routed.route, addressing), body)

    again: Callable[[], OutboundRequest] | None = None
    if request.method in SAFE_METHODS:
        again = partial(made, Side.LEGACY)
    return Job(
        route=routed.key,
        request_id=request.id,
        stage=routed.stage,
        flag_version=0 if routed.flag is None else routed.flag.version,
        target=request.target,
        answered=answered,
        copy=made(answered.side.other),
        again=again,
        watch=done.watch,
    )
