"""Who answers a request, who is asked beside it, and why. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, assert_never

from gateway.message import Request, Side
from gateway.rollout.bucket import bucket
from gateway.rollout.flag import WHOLE, Flag
from gateway.rollout.stage import Stage
from gateway.rollout.stickiness import stickiness_key
from gateway.routing.route import Effect, Route, ShadowWrite


class Decision(NamedTuple):
    """Who answers (`authoritative`), who gets a copy (`shadow`), and the reason in one word.

    `rehearsed`: a write that the new side does first, in a transaction of which nothing stays (ADR 0016).
    """

    authoritative: Side
    shadow: Side | None
    reason: str
    rehearsed: bool = False


PANIC = Decision(Side.LEGACY, None, "panic")  # of every request, retired routes' too, while `Plan.panicked`
NO_ROUTE = Decision(Side.LEGACY, None, "no_route")
SETTLED = frozenset({Stage.LEGACY, Stage.RETIRED})  # stages on which no request differs from another
_ON_LEGACY = Decision(Side.LEGACY, None, "stage_legacy")
RETIRED = "stage_retired"
_RETIRED = Decision(Side.NEW, None, RETIRED)
_NO_NEW_SIDE = Decision(Side.LEGACY, None, "no_new_side")


def decide(route: Route, flag: Flag, request: Request, *, has_new: bool) -> Decision:
    """Decide a request of a route. Without a new side legacy answers, unless the route is retired.

    Only reads are copied: a copy of a write could write (acceptance 23). Writes are rehearsed, in shadow, where their
    route says that this is safe.
    """
    if flag.stage is Stage.LEGACY:
        return _ON_LEGACY
    if flag.stage is Stage.RETIRED:
        return _RETIRED
    if not has_new:
        return _NO_NEW_SIDE
    key = stickiness_key(route.stickiness, request)
    place = None if key is None else bucket(route.group, key)
    side, reason = _authoritative(flag, place)
    writes = route.effect is not Effect.READ
    if writes and (flag.stage is not Stage.SHADOW or route.shadow_write is not ShadowWrite.ROLLED_BACK):
        return _decision(side, None, reason, rehearsed=False)
    sampled = _sampled(route, flag, request, key)
    return _decision(side, side.other if sampled and not writes else None, reason, rehearsed=sampled and writes)


@lru_cache(maxsize=64)
def _decision(side: Side, shadow: Side | None, reason: str, *, rehearsed: bool) -> Decision:
    """One of a few dozen; to look it up is faster than to make it."""
    return Decision(side, shadow, reason, rehearsed)


def _authoritative(flag: Flag, place: int | None) -> tuple[Side, str]:
    match flag.stage:
        case Stage.SHADOW:
            return Side.LEGACY, "stage_shadow"
        case Stage.NEW:
            return Side.NEW, "stage_new"
        case Stage.CANARY:
            if place is None:
                return Side.LEGACY, "canary_key_missing"
            return (Side.NEW, "canary_in") if place < flag.canary else (Side.LEGACY, "canary_out")
        case Stage.LEGACY:
            return Side.LEGACY, "stage_legacy"
        case Stage.RETIRED:
            return Side.NEW, RETIRED
        case _:
            assert_never(flag.stage)


def _sampled(route: Route, flag: Flag, request: Request, key: bytes | None) -> bool:
    """Whether this request is compared: by caller, so that a caller's requests are compared together.

    The bucket is salted, or the sample would be the same callers as the canary. A caller without a key is
    sampled request by request.
    """
    if flag.sample in (0, WHOLE):
        return flag.sample == WHOLE
    return bucket("sample:" + route.group, request.id.encode() if key is None else key) < flag.sample
