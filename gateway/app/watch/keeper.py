"""Does what only one of all processes may do: takes steps of rollouts, judges what all have seen, calls the webhook.

Who it is, a lease in the database says. It decides nothing that pure modules do not decide, and whatever it changes is
changed only if the flag is still the one it looked at, so that a second keeper by mistake changes nothing twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from gateway.app.watch.webhook import Webhook
from gateway.db.accept import put_in_force
from gateway.db.engine import DatabaseDown
from gateway.db.flags import FlagStore
from gateway.db.leases import LeaseStore
from gateway.db.rollbacks import WATCHED, Key, Rollback, RollbackStore
from gateway.db.rollouts import RolloutStore
from gateway.rollout.breach import Seen, Watch
from gateway.rollout.flag import Flag, Flipped
from gateway.rollout.gate import Judgement
from gateway.rollout.plan import Live
from gateway.rollout.steps import Rollout, State, Stay, needs_gate, next_move
from gateway.routing.route import WayBack
from gateway.telemetry import count, log

LEASE: Final = "keeper"
LEASE_S: Final = 5.0
TURN_S: Final = 1.0
FORGET_S: Final = 3_600.0
ATTEMPTS: Final = 10  # of the webhook, with pauses that double from a second to five minutes
LONGEST_PAUSE_S: Final = 300.0

Judge = Callable[[str], Awaitable[Judgement | None]]


@dataclass(frozen=True, slots=True)
class Stores:
    """Where everything is kept."""

    flags: FlagStore
    leases: LeaseStore
    rollbacks: RollbackStore
    rollouts: RolloutStore


class Keeper:
    """One in each process that has an admin plane; the one with the lease is on duty. `judge` asks the gate."""

    def __init__(
        self, live: Live, stores: Stores, judge: Judge, webhook: Webhook | None, name: str, *, watches: bool
    ) -> None:
        self._live, self._stores, self._judge, self._webhook, self._name = live, stores, judge, webhook, name
        self._watches_all = watches
        self._watches: dict[Key, Watch] = {}
        self._calling: asyncio.Task[None] | None = None
        self._forgot_at: float | None = None

    async def run(self) -> None:
        """Be on duty whenever nobody else is, for ever."""
        on_duty = False
        try:
            while True:
                try:
                    on_duty = await self._stores.leases.hold(LEASE, self._name, for_s=LEASE_S)
                    if on_duty:
                        await self._turn()
                except DatabaseDown:
                    pass  # the flags' watch has told it already
                except Exception as bug:  # noqa: BLE001 - the next turn tries again
                    log("keeper_bug", level=logging.ERROR, bug=bug)
                await asyncio.sleep(TURN_S)
        finally:
            if self._calling is not None:
                self._calling.cancel()
            if on_duty:
                await self._leave()

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(TURN_S):
                await self._stores.leases.give_back(LEASE, self._name)
        except (DatabaseDown, TimeoutError):
            pass  # it ends by itself

    async def _turn(self) -> None:
        flags = await self._stores.flags.load()
        for rollout in await self._stores.rollouts.running():
            await self._go_on(rollout, flags.get(rollout.route) or Flag(rollout.route))
        if self._watches_all:
            await self._watch_all(flags)
        if self._webhook is not None and (self._calling is None or self._calling.done()):
            self._calling = asyncio.create_task(self._call(self._webhook))
        now = asyncio.get_running_loop().time()
        if self._forgot_at is None or now - self._forgot_at > FORGET_S:
            self._forgot_at = now
            await self._stores.rollbacks.forget()

    # rollouts

    async def _go_on(self, rollout: Rollout, flag: Flag) -> None:
        judgement = None
        if needs_gate(rollout, flag) and (judgement := await self._judge(rollout.route)) is None:
            await self._settle(rollout, Stay(State.PAUSED, ("the contracts have no such route any more",)))
            return
        move = next_move(rollout, flag, judgement)
        if isinstance(move, Stay):
            await self._settle(rollout, move)
            return
        taken = await self._stores.rollouts.take(rollout, move.change)
        if isinstance(taken, Flipped):
            put_in_force(self._live, taken.flag)
            log(
                "rollout_step",
                route=rollout.route,
                rollout=rollout.id,
                step=rollout.taken + 1,
                canary=taken.flag.canary,
            )

    async def _settle(self, rollout: Rollout, stay: Stay) -> None:
        if stay.state is rollout.state and stay.why == rollout.why:
            return
        await self._stores.rollouts.settle(rollout, stay.state, stay.why)
        if stay.state is not rollout.state:
            log("rollout_settled", route=rollout.route, rollout=rollout.id, state=stay.state, why=stay.why)

    # what all processes have seen together

    async def _watch_all(self, flags: dict[str, Flag]) -> None:
        """Judge it as each judges its own: where traffic is thin, only all of them together see enough."""
        routes = self._live.known.table.routes
        watched = {
            key: flag
            for key, flag in flags.items()
            if flag.stage in WATCHED and key in routes and routes[key].terms.rollback is not WayBack.MANUAL
        }
        seen = await self._stores.rollbacks.told({key: flag.version for key, flag in watched.items()})
        kept: dict[Key, Watch] = {}
        for key, flag in watched.items():
            watch = self._watches.get((key, flag.version))
            if watch is None or watch.terms != routes[key].terms:
                watch = Watch(routes[key].terms)
            kept[key, flag.version] = watch
            await self._look(flag, watch, seen.get(key, Seen()))
        self._watches = kept

    async def _look(self, flag: Flag, watch: Watch, total: Seen) -> None:
        more = total - watch.total
        if more.answered < 0 or more.compared < 0:  # somebody has emptied the table
            watch.total = total
            return
        breach = watch.saw(more, None)  # each process has its own measure of slow
        if breach is None:
            return
        rollbacks = self._stores.rollbacks
        examples = await rollbacks.examples(flag)
        outcome = await rollbacks.take_back(flag, breach, examples, webhook=self._webhook is not None)
        put_in_force(self._live, outcome.flag)
        if isinstance(outcome, Flipped):
            count(f"auto_rollback.{breach.what}/{flag.route}")
            log("auto_rollback", level=logging.ERROR, route=flag.route, what=breach.what, why=breach.sentence)

    # the webhook

    async def _call(self, webhook: Webhook) -> None:
        try:
            for rollback in await self._stores.rollbacks.due():
                await self._tell(webhook, rollback)
        except DatabaseDown:
            pass
        except Exception as bug:  # noqa: BLE001 - it is due again with the next turn
            log("webhook_bug", level=logging.ERROR, bug=bug)

    async def _tell(self, webhook: Webhook, rollback: Rollback) -> None:
        taken = await webhook.call(rollback)
        attempts = rollback.attempts + 1
        state = "sent" if taken else "due" if attempts < ATTEMPTS else "failed"
        count(f"webhook.{'sent' if taken else 'missed'}")
        if not taken:
            log("webhook_missed", level=logging.WARNING, rollback=rollback.id, attempts=attempts)
        await self._stores.rollbacks.called(rollback, state=state, again_in_s=min(2.0**attempts, LONGEST_PAUSE_S))
