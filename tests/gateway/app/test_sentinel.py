"""The sentinel on a real database: a breach, and what has become of the flag meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from time import perf_counter

from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.app.watch.sentinel import LINGER_S, LOOK_S, Sentinel
from gateway.db.evidence import EvidenceStore
from gateway.db.flags import FlagStore
from gateway.db.rollbacks import RollbackStore
from gateway.db.rollouts import RolloutStore
from gateway.message import Side
from gateway.proxy.ledger import Ledger
from gateway.proxy.unanswered import Open
from gateway.rollout.breach import Breach, Breached, Seen
from gateway.rollout.decide import Decision
from gateway.rollout.flag import Change, Flag, Flipped
from gateway.rollout.plan import Live, Source
from gateway.rollout.routed import Routed
from gateway.rollout.stage import Stage
from gateway.rollout.steps import Rollout, Step
from tests.gateway.app.test_keeper import FINDING
from tests.gateway.db.fixtures import database, engine, live, postgres, store

__all__ = ["database", "engine", "live", "postgres", "store"]

ROUTE = "lots.list"


async def flip(flags: FlagStore, change: Change) -> Flag:
    """A change by a person."""
    outcome = await flags.change(ROUTE, change, by="ann", expected=None)
    assert isinstance(outcome, Flipped)
    return outcome.flag


@asynccontextmanager
async def watched(sentinel: Sentinel, ledger: Ledger, waiting: Sequence[Open] = ()) -> AsyncIterator[None]:
    """The process of a sentinel, in which the `waiting` have no answer."""
    watching = asyncio.create_task(sentinel.watch(ledger, lambda: [list(waiting)]))
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


@asynccontextmanager
async def failing(engine: AsyncEngine, live: Live) -> AsyncIterator[None]:
    """A process that is watched while the new side fails all that it is asked."""
    ledger = Ledger()
    for _ in range(20):
        ledger.ended(ROUTE, Stage.CANARY, "new", 503, 0.01)
    async with watched(Sentinel(live, RollbackStore(engine), "one", webhook=False), ledger):
        yield


async def until(true: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)


async def test_a_plans_next_step_is_taken_back_with_the_one_that_failed(
    engine: AsyncEngine, store: FlagStore, live: Live
) -> None:
    """The step was taken while this process noticed: more callers on a failing side are no answer to a breach."""
    await flip(store, Change(Stage.SHADOW))
    flag = await flip(store, Change(Stage.CANARY, 100))
    live.replace({ROUTE: flag}, Source.DATABASE)
    steps = (Step(Stage.CANARY, 2_500), Step(Stage.CANARY, 10_000))
    rollouts = RolloutStore(engine)
    plan = await rollouts.begin(ROUTE, steps, bake_s=600, by="ann", reason="")
    assert isinstance(plan, Rollout)
    assert isinstance(await rollouts.take(plan, steps[0].change), Flipped)
    async with failing(engine, live):
        await until(lambda: live.plan.flag(ROUTE).stage is Stage.LEGACY)
    newest, *_ = await store.history(ROUTE)
    assert (newest.by, newest.before.version, newest.after.stage) == ("auto-rollback", 3, Stage.LEGACY)


async def test_what_a_person_has_decided_meanwhile_stands(engine: AsyncEngine, store: FlagStore, live: Live) -> None:
    """Somebody who moves the flag knows why; the next version is judged by itself."""
    await flip(store, Change(Stage.SHADOW))
    flag = await flip(store, Change(Stage.CANARY, 100))
    live.replace({ROUTE: flag}, Source.DATABASE)
    await flip(store, Change(Stage.CANARY, 50))
    async with failing(engine, live):
        await until(lambda: live.plan.flag(ROUTE).version == 3)
    assert (await store.load())[ROUTE].canary == 50


@dataclass(frozen=True)
class Waiting:
    """A request that was sent whole and has no answer."""

    routed: Routed
    begun: float
    waits: bool = True
    over: bool = False


async def test_a_side_that_hangs_is_left_by_a_process_that_has_just_started(
    engine: AsyncEngine, store: FlagStore, live: Live
) -> None:
    """It has no times of legacy yet; the evidence has."""
    await flip(store, Change(Stage.SHADOW))
    flag = await flip(store, Change(Stage.CANARY, 10_000))
    live.replace({ROUTE: flag}, Source.DATABASE)
    await EvidenceStore(engine).store([replace(FINDING, route=ROUTE, control_ms=4.0) for _ in range(30)])
    decision = Decision(Side.NEW, None, "stage")
    routed = Routed(live.plan.table.routes[ROUTE], flag, decision, ROUTE, Stage.CANARY)
    waiting = [Waiting(routed, perf_counter()) for _ in range(24)]
    sentinel = Sentinel(live, RollbackStore(engine), "one", webhook=False)
    async with watched(sentinel, Ledger(), waiting):
        await until(lambda: live.plan.flag(ROUTE).stage is Stage.LEGACY)
    (rollback,) = await RollbackStore(engine).of(ROUTE)
    assert (rollback.what, "24 of them still wait" in rollback.sentence) == ("latency", True)


async def test_who_still_waits_when_a_route_is_taken_back_is_counted_by_a_process_that_knows_no_times(
    engine: AsyncEngine, store: FlagStore, live: Live
) -> None:
    """Another one has noticed; here nobody could say who is slow, and who waits may fail long after that."""
    await flip(store, Change(Stage.SHADOW))
    flag = await flip(store, Change(Stage.CANARY, 10_000))
    live.replace({ROUTE: flag}, Source.DATABASE)
    rollbacks, ledger = RollbackStore(engine), Ledger()
    routed = Routed(live.plan.table.routes[ROUTE], flag, Decision(Side.NEW, None, "stage"), ROUTE, Stage.CANARY)
    waiting = [Waiting(routed, perf_counter())]
    sentinel = Sentinel(live, rollbacks, "one", webhook=False)
    async with watched(sentinel, ledger, waiting):
        await asyncio.sleep(2 * LOOK_S)  # until it looks
        seen = Seen(answered=9, slow=9, late=9)
        breach = Breach(Breached.LATENCY, "9 of 9 requests took the new side more than 0.1 s", seen)
        await rollbacks.tell("another", {(ROUTE, flag.version): seen})
        taken = await rollbacks.take_back(flag, breach, [], webhook=False)
        assert isinstance(taken, Flipped)
        live.replace({ROUTE: taken.flag}, Source.DATABASE)
        await asyncio.sleep(LINGER_S + 1)
        ledger.ended(ROUTE, Stage.CANARY, "new", 504, LINGER_S + 1)
        waiting.clear()
        await asyncio.sleep(3)  # until it has told
    (rollback,) = await rollbacks.of(ROUTE)
    assert (rollback.seen.failed, rollback.affected) == (1, 10)


async def test_what_is_found_late_of_a_route_that_was_taken_back_still_counts(
    engine: AsyncEngine, store: FlagStore, live: Live
) -> None:
    """Copies wait their turn behind those of other routes: who was affected is known when they are compared."""
    await flip(store, Change(Stage.SHADOW))
    flag = await flip(store, Change(Stage.CANARY, 100))
    live.replace({ROUTE: flag}, Source.DATABASE)
    rollbacks = RollbackStore(engine)
    sentinel = Sentinel(live, rollbacks, "one", webhook=False)
    async with watched(sentinel, Ledger()):
        late = replace(FINDING, flag_version=flag.version, authoritative=Side.NEW)
        await asyncio.sleep(2 * LOOK_S)  # until it looks
        for _ in range(5):
            sentinel.heard(late)
        await until(lambda: live.plan.flag(ROUTE).stage is Stage.LEGACY)
        for _ in range(2):
            await asyncio.sleep(LINGER_S - 1)
            sentinel.heard(late)
        await asyncio.sleep(3)  # until it has told
    (rollback,) = await rollbacks.of(ROUTE)
    assert (rollback.seen.compared, rollback.affected) == (7, 7)


async def test_what_is_found_before_the_first_look_counts(engine: AsyncEngine, store: FlagStore, live: Live) -> None:
    """A flag is in force before it is watched, and its first requests may be those that tell."""
    await flip(store, Change(Stage.SHADOW))
    flag = await flip(store, Change(Stage.CANARY, 100))
    sentinel = Sentinel(live, RollbackStore(engine), "one", webhook=False)
    async with watched(sentinel, Ledger()):
        await asyncio.sleep(2 * LOOK_S)  # until it looks
        live.replace({ROUTE: flag}, Source.DATABASE)
        for _ in range(9):
            sentinel.heard(replace(FINDING, flag_version=flag.version, authoritative=Side.NEW))
        await until(lambda: live.plan.flag(ROUTE).stage is Stage.LEGACY)
    (rollback,) = await RollbackStore(engine).of(ROUTE)
    assert rollback.affected == 9


async def test_what_a_plans_last_step_did_is_known_at_its_next(
    engine: AsyncEngine, store: FlagStore, live: Live
) -> None:
    """A step was taken before its copies were compared: what they show takes the route back, and is counted."""
    await flip(store, Change(Stage.SHADOW))
    rollouts, rollbacks = RolloutStore(engine), RollbackStore(engine)
    steps = Step(Stage.CANARY, 500), Step(Stage.CANARY, 5_000)
    plan = await rollouts.begin(ROUTE, steps, bake_s=0, by="ann", reason="")
    assert isinstance(plan, Rollout)
    first = await rollouts.take(plan, Change(Stage.CANARY, 500))
    assert isinstance(first, Flipped)
    live.replace({ROUTE: first.flag}, Source.DATABASE)
    sentinel, ledger = Sentinel(live, rollbacks, "one", webhook=False), Ledger()
    async with watched(sentinel, ledger):
        await asyncio.sleep(2 * LOOK_S)  # until it looks
        for _ in range(9):
            ledger.ended(ROUTE, Stage.CANARY, "new", 200, 0.01)
        await asyncio.sleep(2 * LOOK_S)
        (running,) = await rollouts.running()
        second = await rollouts.take(running, Change(Stage.CANARY, 5_000))
        assert isinstance(second, Flipped)
        live.replace({ROUTE: second.flag}, Source.DATABASE)
        await asyncio.sleep(2 * LOOK_S)
        for _ in range(9):
            sentinel.heard(replace(FINDING, flag_version=first.flag.version, authoritative=Side.NEW))
        await until(lambda: live.plan.flag(ROUTE).stage is Stage.LEGACY)
    (rollback,) = await rollbacks.of(ROUTE)
    assert rollback.flag_version == second.flag.version
    assert (rollback.seen.answered, rollback.seen.mismatched, rollback.affected) == (9, 9, 9)
