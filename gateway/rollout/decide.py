"""Who answers a request, who is asked beside it, and why. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar, assert_never

from gateway.message import Request, Side
from gateway.rollout.bucket import bucket, place_of
from gateway.rollout.flag import WHOLE, Flag
from gateway.rollout.stage import Stage
from gateway.rollout.stickiness import stickiness_key
from gateway.routing.route import Effect, Route, ShadowWrite

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Decision:
    """Who answers (`authoritative`), who gets a copy (`shadow`), and the reason in one word.

    `rehearsed`: a write that the new side does first, in a transaction of which nothing stays (ADR 0016). `noted`:
    legacy answers and nobody compares, though others of the route are compared: the gate has to know of its kind.
    """

    authoritative: Side
    shadow: Side | None
    reason: str
    rehearsed: bool = False
    noted: bool = False


PANIC = Decision(Side.LEGACY, None, "panic")  # of every request, retired routes' too, while `Plan.panicked`
NO_ROUTE = Decision(Side.LEGACY, None, "no_route")
RETIRED = "stage_retired"
_NO_NEW_SIDE = Decision(Side.LEGACY, None, "no_new_side")


def decide(route: Route, flag: Flag, request: Request, *, has_new: bool) -> Decision:
    """Decide a request of a route. Without a new side legacy answers, unless the route is retired.

    Only reads are copied: a copy of a write could write (acceptance 23). Writes are rehearsed, in shadow, where their
    route says that this is safe.
    """
    return Choices(route, flag, lambda decision: decision, has_new=has_new).of(request)


class Choices(Generic[T]):
    """All that can become of a route's requests under a flag, made ready: what is left to do is to look who asks.

    `made_of` turns a decision into what `of` gives.
    """

    __slots__ = ("_canary", "_inside", "_missing", "_only", "_outside", "_route", "_salted", "_sample")

    def __init__(self, route: Route, flag: Flag, made_of: Callable[[Decision], T], *, has_new: bool) -> None:
        self._route, self._canary, self._sample = route, flag.canary, flag.sample
        self._salted = "sample:" + route.group
        writes = route.effect is not Effect.READ
        compared = not writes or route.shadow_write is ShadowWrite.ROLLED_BACK
        rehearsed = writes and flag.stage is Stage.SHADOW and compared

        def pair(side: Side, reason: str) -> tuple[T, T]:
            """What becomes of a request that is not in the sample, and of one that is."""
            usual = Decision(side, None, reason, noted=side is Side.LEGACY and compared)
            shadow = None if writes else side.other
            if self._sample == 0 or (writes and not rehearsed):
                return (made_of(usual),) * 2
            sampled = made_of(Decision(side, shadow, reason, rehearsed))
            return (sampled, sampled) if self._sample == WHOLE else (made_of(usual), sampled)

        self._only: tuple[T, T] | None = None  # whoever asks
        match flag.stage:
            case Stage.RETIRED:
                self._only = (made_of(Decision(Side.NEW, None, RETIRED)),) * 2
            case Stage.LEGACY:
                self._only = (made_of(Decision(Side.LEGACY, None, "stage_legacy")),) * 2
            case _ if not has_new:
                self._only = (made_of(_NO_NEW_SIDE),) * 2
            case Stage.SHADOW:
                self._only = pair(Side.LEGACY, "stage_shadow")
            case Stage.NEW:
                self._only = pair(Side.NEW, "stage_new")
            case Stage.CANARY:
                self._missing = pair(Side.LEGACY, "canary_key_missing")
                self._inside, self._outside = pair(Side.NEW, "canary_in"), pair(Side.LEGACY, "canary_out")
            case _:
                assert_never(flag.stage)

    def of(self, request: Request) -> T:
        """What becomes of a request.

        Whether it is compared is decided by caller, so that a caller's requests are compared together; the bucket is
        salted, or the sample would be the same callers as the canary. A caller without a key is sampled request by
        request.
        """
        only = self._only
        if only is not None and only[0] is only[1]:
            return only[0]
        key = stickiness_key(self._route.stickiness, request)
        if only is not None:
            unsampled, sampled = only
        elif key is None:
            unsampled, sampled = self._missing
        elif place_of(self._route.group, key) < self._canary:
            unsampled, sampled = self._inside
        else:
            unsampled, sampled = self._outside
        if unsampled is sampled:
            return sampled
        place = bucket(self._salted, request.id.encode()) if key is None else place_of(self._salted, key)
        return sampled if place < self._sample else unsampled
