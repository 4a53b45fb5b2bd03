"""What can be done with routes, for the API and the console alike. It knows no HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.db.accept import put_in_force
from gateway.db.evidence import EvidenceStore
from gateway.db.flags import FlagChange, FlagStore, LostRace, Unchanged
from gateway.db.rollbacks import RollbackStore
from gateway.rollout.besides import NEVER_COMPARED, taken_back
from gateway.rollout.evidence import RouteEvidence
from gateway.rollout.flag import Change, Flag, Flipped, Refused
from gateway.rollout.gate import Answer, Held, Judgement, asks_for_evidence, judge
from gateway.rollout.plan import Live
from gateway.rollout.stage import Stage
from gateway.routing.route import Effect, Route, ShadowWrite
from gateway.telemetry import log


@dataclass(frozen=True, slots=True)
class RouteView:
    """A route and the flag this process acts on; `has_new` says whether a new side is configured at all."""

    route: Route
    flag: Flag
    has_new: bool


@dataclass(frozen=True, slots=True)
class GateView:
    """What the gate says of a route at this moment, and the evidence it says so from."""

    judgement: Judgement
    evidence: RouteEvidence


class AdminService:
    """Reads routes from the plan in force, and changes flags in the database first, then here.

    None is the answer for a route that this gateway does not have. DatabaseDown passes through.
    """

    def __init__(
        self,
        flags: FlagStore,
        live: Live,
        evidence: EvidenceStore,
        *,
        has_new: bool,
        revision: Callable[[str], str] = lambda _route: "",
        rollbacks: RollbackStore | None = None,
    ) -> None:
        self._flags = flags
        self._live = live
        self._evidence = evidence
        self._has_new = has_new
        self._revision = revision
        self._rollbacks = rollbacks

    def routes(self) -> list[RouteView]:
        """Every route in the order of the keys."""
        plan = self._live.known
        return [RouteView(plan.table.routes[key], plan.flag(key), self._has_new) for key in sorted(plan.table.routes)]

    def route(self, key: str) -> RouteView | None:
        """One route."""
        plan = self._live.known
        route = plan.table.routes.get(key)
        return None if route is None else RouteView(route, plan.flag(key), self._has_new)

    async def flip(
        self, key: str, change: Change, *, by: str, expected: int | None
    ) -> Flipped | Refused | LostRace | Held | Unchanged | None:
        """Change a flag, forward through the gate or by force; it is in force here when this returns.

        Everywhere else it is within a second. A flag that is as it shall be stays as it is, its version too.
        """
        if key not in self._live.known.table.routes:
            return None
        if change.stage is not Stage.LEGACY and not self._has_new:
            return Refused("no_new_side", f"this gateway was started without a new side, so {key} stays on legacy")
        gate = None
        if not change.force and change.stage not in (Stage.LEGACY, Stage.SHADOW):
            gate = _gate(change, await self.judge(key))
        in_force = self._live.known.flag(key)
        outcome = await self._flags.change(key, change, by=by, expected=expected, in_force=in_force, gate=gate)
        if isinstance(outcome, Flipped):
            self._act_on(outcome)
        elif isinstance(outcome, LostRace):
            put_in_force(self._live, outcome.current)
        elif isinstance(outcome, Unchanged):
            put_in_force(self._live, outcome.flag)
        return outcome

    async def judge(self, key: str) -> GateView | None:
        """What the gate says to sending more callers of a route to the new side now."""
        route = self._live.known.table.routes.get(key)
        if route is None:
            return None
        # what went wrong on callers must be seen to go right again
        rollbacks = [] if self._rollbacks is None else await self._rollbacks.of(key, limit=1)
        since = rollbacks[0].at if rollbacks else None
        evidence = await self._evidence.for_gate(key, self._revision(key), since)
        besides = [] if _is_compared(route) else [NEVER_COMPARED]
        besides += [taken_back(one.at, one.sentence, evidence) for one in rollbacks]
        return GateView(judge(evidence, route.terms, *besides), evidence)

    async def rollback(self, key: str, *, by: str, reason: str) -> Flipped | Refused | Unchanged | None:
        """Send a route back to legacy, whatever stage it is in and whatever else is known of it."""
        if key not in self._live.known.table.routes:
            return None
        outcome = await self._flags.rollback(key, by=by, reason=reason, in_force=self._live.known.flag(key))
        if isinstance(outcome, Flipped):
            self._act_on(outcome)
        elif isinstance(outcome, Unchanged):
            put_in_force(self._live, outcome.flag)
        return outcome

    async def history(self, key: str, *, limit: int, before: int | None) -> Sequence[FlagChange] | None:
        """Who moved a route, newest first."""
        if key not in self._live.known.table.routes:
            return None
        return await self._flags.history(key, limit, before)

    def _act_on(self, flipped: Flipped) -> None:
        flag = flipped.flag
        put_in_force(self._live, flag)
        log("flag_changed", route=flag.route, stage=flag.stage, version=flag.version, by=flag.set_by, move=flipped.move)


def _is_compared(route: Route) -> bool:
    return route.effect is Effect.READ or route.shadow_write is not ShadowWrite.NEVER


def _gate(change: Change, view: GateView | None) -> Callable[[Flag], Held | None]:
    def held(flag: Flag) -> Held | None:
        if view is None or view.judgement.answer is Answer.PASS or not asks_for_evidence(flag, change):
            return None
        return Held(view.judgement)

    return held
