"""The figures of one process, read from its parts when somebody asks: the parts themselves know no metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.message import Side
from gateway.metrics.catalogue import (
    ADDRESS,
    BREAKER,
    DRAINING,
    FLAG_STAGE,
    FLAG_VERSION,
    MIRROR_BYTES,
    MIRROR_JOBS,
    PANICKED,
    PLAN_FRESH,
    PLAN_ROUTES,
    PLAN_SOURCE,
    POOL,
    POOL_MISSES,
    POOL_OPENED,
    POOL_SHED,
    POOL_WAITING,
    UNSAFE,
)
from gateway.metrics.process import process_figures
from gateway.metrics.snapshot import Row, Snapshot, counted, merge
from gateway.proxy.ledger import Ledger
from gateway.relay.breaker import State
from gateway.relay.figures import PoolFigures
from gateway.rollout.plan import Live
from gateway.shadow.mirror import Mirror
from gateway.telemetry import counters
from gateway.upstream.told import Unsafe

# A pool: its side, for whom it is (`clients` or `copies`), and what it shows.
Shown = tuple[Side, str, PoolFigures]

_BREAKER: Final = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}


@dataclass(frozen=True, slots=True)
class Figures:
    """Where the figures of this process are."""

    ledger: Ledger
    live: Live
    mirror: Mirror
    pools: Callable[[], Iterable[Shown]]
    unsafe: Mapping[str, Unsafe] = field(default_factory=dict)

    def snapshot(self) -> Snapshot:
        """All of them now, as plain data (see metrics.snapshot); call it on the loop that the parts live on."""
        return merge(
            [
                self.ledger.rows(),
                counted(counters),
                self.parts(),
                *({BREAKER.name: _breakers(shown)} for shown in self.pools()),
                {UNSAFE.name: [([route, *told], [1]) for route, told in self.unsafe.items()]},
                _plan(self.live),
                process_figures(),
            ]
        )

    def parts(self) -> Snapshot:
        """Those of the pools and the mirror: of a data plane that another has replaced they are all there is."""
        return merge(
            [
                *map(_pool, self.pools()),
                {MIRROR_JOBS.name: [([], [self.mirror.waiting])], MIRROR_BYTES.name: [([], [self.mirror.held])]},
            ]
        )


def _pool(shown: Shown) -> Snapshot:
    side, pool, seen = shown
    names = [side.value, pool]
    states = {"busy": seen.busy, "idle": seen.idle, "connecting": seen.connecting}
    return {
        POOL.name: [([*names, state], [number]) for state, number in states.items()],
        POOL_WAITING.name: [(names, [seen.waiting])],
        POOL_OPENED.name: [(names, [seen.opened_total])],
        POOL_SHED.name: [([*names, cause], [number]) for cause, number in seen.shed.items()],
        POOL_MISSES.name: [([*names, cause], [number]) for cause, number in seen.misses.items()],
        ADDRESS.name: [([*names, one.name], [one.connections]) for one in seen.addresses],
    }


def _breakers(shown: Shown) -> list[Row]:
    side, pool, seen = shown
    return [([side.value, pool, one.name], [_BREAKER[one.state]]) for one in seen.addresses]


def _plan(live: Live) -> Snapshot:
    plan = live.known
    known = [flag for flag in plan.flags.values() if flag.route in plan.table.routes]
    return {
        FLAG_VERSION.name: [([flag.route], [flag.version]) for flag in known],
        FLAG_STAGE.name: [([flag.route, flag.stage.value], [1]) for flag in known],
        PLAN_ROUTES.name: [([], [len(plan.table.routes)])],
        PLAN_SOURCE.name: [([plan.source.value], [1])],
        PLAN_FRESH.name: [([], [int(live.fresh)])],
        PANICKED.name: [([], [int(live.plan.panicked)])],
        DRAINING.name: [([], [int(live.draining)])],
    }
