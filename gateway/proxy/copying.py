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
from gateway.proxy.tap import Capture, Noted
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
    """What keeps an exchange that is to be compared, or only noted: also where its copy would find no room."""
    decision, key = routed.decision, routed.key
    if decision.shadow is not None and mirror.has_room(decision.shadow, key):
        return Capture(key, decision.authoritative, cap=cap, budget=mirror.budget)
    is_compared = decision.noted or decision.shadow is not None
    return noted(mirror, routed) if is_compared and decision.authoritative is Side.LEGACY else None


def keeps_body(mirror: Mirror, routed: Routed) -> bool:
    """Whether the body of a request that has one is kept on its way."""
    decision = routed.decision
    return decision.shadow is not None or (decision.noted and mirror.served.has_room(routed.key))


def noted(mirror: Mirror, routed: Routed, body: bytes | None = None) -> Noted | None:
    """What keeps the kind of a request that nobody compares; None where enough of its route were looked at just now."""
    return Noted(routed.key, budget=mirror.budget, body=body) if mirror.served.take(routed.key) else None


def offer(mirror: Mirror, addressing: Addressing, done: Exchanged) -> None:
    """Offer the copy, or count why there is none; the kind of a request that nobody compares is taken down."""
    capture = done.capture
    if isinstance(capture, Noted):
        _note(mirror, addressing, done)
        mirror.budget.give(capture.hand_over())
        return
    answered = capture.observation(done.failure)
    if isinstance(answered, Drop):
        if capture.side is Side.LEGACY and mirror.served.take(capture.route):
            _note(mirror, addressing, done)
        capture.dropped(answered)
    else:
        mirror.offer(_job(addressing, done, answered), held=capture.hand_over())


def _note(mirror: Mirror, addressing: Addressing, done: Exchanged) -> None:
    capture, arrival = done.capture, done.arrival
    if done.failure is None and capture.status is not None and capture.has_request:
        outbound = copy_of(build(arrival, Side.NEW, done.routed.route, addressing), capture.body)
        mirror.saw(capture.route, outbound, capture.status, arrival.request.target)


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
