"""Leases, rollbacks and rollouts on a real database: what several processes do at once happens once."""

from __future__ import annotations

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.db.flags import FlagStore, LostRace, Unchanged
from gateway.db.leases import LeaseStore
from gateway.db.rollbacks import Exemplar, RollbackStore
from gateway.db.rollouts import RolloutStore
from gateway.rollout.breach import Breach, Breached, Seen
from gateway.rollout.flag import Change, Flag, Flipped, Refused
from gateway.rollout.stage import Stage
from gateway.rollout.steps import Rollout, State, Step

BREACH = Breach(Breached.ERRORS, "the new side failed 5 of 9 requests", Seen(answered=9, failed=5))
STEPS = (Step(Stage.CANARY, 100), Step(Stage.CANARY, 10_000), Step(Stage.NEW))


async def in_canary(flags: FlagStore) -> Flag:
    """A route in canary."""
    await flags.change("lots.list", Change(Stage.SHADOW), by="a", expected=None)
    outcome = await flags.change("lots.list", Change(Stage.CANARY, 500), by="a", expected=None)
    assert isinstance(outcome, Flipped)
    return outcome.flag


async def test_one_of_many_holds_a_lease(engine: AsyncEngine) -> None:
    """Ten ask at once and one gets it, keeps it when it asks again, and leaves it to the next."""
    leases = LeaseStore(engine)
    got = await asyncio.gather(*(leases.hold("keeper", f"p{number}", for_s=60) for number in range(10)))
    assert sum(got) == 1
    holder = f"p{got.index(True)}"
    assert await leases.hold("keeper", holder, for_s=60)
    await leases.give_back("keeper", "somebody else")
    assert not await leases.hold("keeper", "new", for_s=60)
    await leases.give_back("keeper", holder)
    assert await leases.hold("keeper", "new", for_s=60)


async def test_a_lease_ends_by_the_databases_clock(engine: AsyncEngine) -> None:
    """A holder that has died is succeeded once its time is over, whatever clock the processes have."""
    leases = LeaseStore(engine)
    assert await leases.hold("keeper", "dead", for_s=0.2)
    assert not await leases.hold("keeper", "next", for_s=60)
    async with engine.connect() as connection:
        await connection.execute(text("SELECT pg_sleep(0.3)"))
    assert await leases.hold("keeper", "next", for_s=60)


async def test_a_lease_of_a_clock_that_was_set_back_is_nobodys(engine: AsyncEngine) -> None:
    """Its holder is dead; without this nobody would be on duty for as long as the clock went back."""
    leases = LeaseStore(engine)
    assert await leases.hold("keeper", "dead", for_s=3_600)
    assert not await leases.hold("keeper", "next", for_s=3_000), "it may be in force"
    assert await leases.hold("keeper", "next", for_s=5)


async def test_many_that_notice_together_make_one_change(engine: AsyncEngine, store: FlagStore) -> None:
    """Twenty take the same flag back at once: one history entry, one rollback, and the rest hear what it is now."""
    flag, rollbacks = await in_canary(store), RollbackStore(engine)
    outcomes = await asyncio.gather(
        *(rollbacks.take_back(flag, BREACH, [Exemplar("r1", "body/a")], webhook=True) for _ in range(20))
    )
    assert [type(each) for each in outcomes].count(Flipped) == 1
    assert all(each.flag.stage is Stage.LEGACY for each in outcomes)
    newest, before, *_ = await store.history("lots.list")
    assert (newest.by, newest.after.stage, newest.after.version, before.after.stage) == (
        "auto-rollback",
        Stage.LEGACY,
        3,
        Stage.CANARY,
    )
    assert newest.reason == (
        "the new side failed 5 of 9 requests; 5 of 9 requests that the new side answered are known to be affected "
        "by then; look at r1 (body/a)"
    )
    assert [(each.flag_version, each.webhook) for each in await rollbacks.of("lots.list")] == [(2, "due")]


async def test_a_flag_that_somebody_has_changed_is_left_alone(engine: AsyncEngine, store: FlagStore) -> None:
    """What was judged is not there any more: nothing is taken back, and nothing flaps."""
    flag, rollbacks = await in_canary(store), RollbackStore(engine)
    await store.change("lots.list", Change(Stage.CANARY, 100), by="b", expected=None)
    outcome = await rollbacks.take_back(flag, BREACH, (), webhook=False)
    assert isinstance(outcome, Unchanged)
    assert (outcome.flag.stage, outcome.flag.version) == (Stage.CANARY, 3)
    assert await rollbacks.of("lots.list") == []


async def test_what_processes_have_seen_adds_up(engine: AsyncEngine, store: FlagStore) -> None:
    """Each tells its own totals, again and again; together they are what a rollback shows."""
    flag, rollbacks = await in_canary(store), RollbackStore(engine)
    key = ("lots.list", flag.version)
    await rollbacks.tell("one", {key: Seen(answered=3, failed=1)})
    await rollbacks.tell("one", {key: Seen(answered=10, failed=2, compared=4, mismatched=2, wrong=1)})
    await rollbacks.tell("two", {key: Seen(answered=5, legacy=7)})
    await rollbacks.tell("two", {("lots.list", 99): Seen(answered=1_000)})
    together = Seen(answered=15, failed=2, compared=4, mismatched=2, wrong=1, legacy=7)
    assert await rollbacks.told({"lots.list": flag.version}) == {"lots.list": together}
    await rollbacks.take_back(flag, BREACH, (), webhook=False)
    (rollback,) = await rollbacks.of("lots.list")
    assert (rollback.seen, rollback.affected) == (together, 3)


async def test_a_webhook_is_due_until_it_was_taken(engine: AsyncEngine, store: FlagStore) -> None:
    """One that was missed comes back after its pause, one that was sent does not."""
    rollbacks = RollbackStore(engine)
    await rollbacks.take_back(await in_canary(store), BREACH, (), webhook=True)
    (due,) = await rollbacks.due()
    await rollbacks.called(due, state="due", again_in_s=60)
    assert await rollbacks.due() == []
    await rollbacks.called(due, state="due", again_in_s=0)
    (again,) = await rollbacks.due()
    assert again.attempts == 2
    await rollbacks.called(again, state="sent")
    assert await rollbacks.due() == []


async def begun(flags: FlagStore, rollouts: RolloutStore) -> Rollout:
    """A rollout of a route in shadow."""
    await flags.change("lots.list", Change(Stage.SHADOW), by="a", expected=None)
    rollout = await rollouts.begin("lots.list", STEPS, bake_s=60, by="ann", reason="as agreed")
    assert isinstance(rollout, Rollout)
    return rollout


async def test_a_step_is_taken_once(engine: AsyncEngine, store: FlagStore) -> None:
    """Two keepers by mistake take the same step: one flip, one step, and the flag's history says whose plan it is."""
    rollouts = RolloutStore(engine)
    rollout = await begun(store, rollouts)
    outcomes = await asyncio.gather(*(rollouts.take(rollout, STEPS[0].change) for _ in range(2)))
    assert sorted(type(each).__name__ for each in outcomes) == ["Flipped", "LostRace"]
    (running,) = await rollouts.running()
    assert (running.taken, running.version, running.steps) == (1, 2, STEPS)
    assert running.baked_s < 60
    newest = (await store.history("lots.list"))[0]
    assert (newest.by, newest.after.canary, newest.forced) == ("rollout", 100, False)
    assert newest.reason == f"rollout {rollout.id} by ann, step 1 of 3: as agreed"


async def test_a_route_has_one_rollout_at_a_time(engine: AsyncEngine, store: FlagStore) -> None:
    """A second one is refused while the first is active, and welcome after that."""
    rollouts = RolloutStore(engine)
    rollout = await begun(store, rollouts)
    second = await rollouts.begin("lots.list", STEPS, bake_s=1, by="bob", reason="")
    assert isinstance(second, Refused)
    assert second.code == "rollout_active"
    assert await rollouts.settle(rollout, State.CANCELLED, ("cancelled by ann",))
    assert not await rollouts.settle(rollout, State.RUNNING, ()), "what is over stays over"
    assert isinstance(await rollouts.begin("lots.list", STEPS, bake_s=1, by="bob", reason=""), Rollout)


async def test_a_cancelled_rollout_takes_no_step(engine: AsyncEngine, store: FlagStore) -> None:
    """A keeper that has read it a moment before changes nothing."""
    rollouts = RolloutStore(engine)
    rollout = await begun(store, rollouts)
    await rollouts.settle(rollout, State.CANCELLED, ())
    assert isinstance(await rollouts.take(rollout, STEPS[0].change), LostRace)
    assert (await store.load())["lots.list"].stage is Stage.SHADOW
