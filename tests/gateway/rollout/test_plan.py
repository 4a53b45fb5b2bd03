"""What a process acts on, and how a panic overrules it."""

from __future__ import annotations

from gateway.rollout.flag import Flag
from gateway.rollout.plan import Live, Plan, Source
from gateway.rollout.stage import Stage
from gateway.routing.table import RouteTable

RETIRED = {"lots.list": Flag("lots.list", Stage.RETIRED, version=9)}


def live() -> Live:
    return Live(Plan(RouteTable(()), RETIRED, Source.DATABASE), fresh=True)


def test_panic_sends_every_route_to_legacy_retired_ones_too() -> None:
    """A panic leaves no flag in force, and what is known of the flags is kept beside it."""
    this = live()
    assert this.panic(True)
    assert this.plan.panicked
    assert this.plan.flag("lots.list").stage is Stage.LEGACY
    assert this.known.flag("lots.list").stage is Stage.RETIRED


def test_no_refresh_undoes_a_panic() -> None:
    """Flags and routes that arrive during a panic are known, and not in force."""
    this = live()
    this.panic(True)
    newer = {"lots.list": Flag("lots.list", Stage.NEW, version=10)}
    this.replace(newer, Source.DATABASE)
    this.reroute(RouteTable(()))
    assert this.plan.panicked
    assert this.plan.flags == {}
    assert this.known.flags == newer


def test_what_arrived_during_a_panic_takes_force_after_it() -> None:
    """The end of a panic puts the newest known flags in force."""
    this = live()
    this.panic(True)
    newer = {"lots.list": Flag("lots.list", Stage.NEW, version=10)}
    this.replace(newer, Source.DATABASE)
    assert this.panic(False)
    assert this.plan is this.known
    assert this.plan.flags == newer


def test_saying_panic_twice_changes_nothing() -> None:
    """Who asks again is told that nothing was changed, so that it is logged once."""
    this = live()
    assert not this.panic(False)
    assert this.panic(True)
    plan = this.plan
    assert not this.panic(True)
    assert this.plan is plan
