"""The figures of one process, read from its parts when somebody asks: the parts themselves know no metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gateway.message import Side
from gateway.metrics.catalogue import (
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
    POOL_OPENED,
    POOL_WAITING,
)
from gateway.metrics.process import process_figures
from gateway.metrics.snapshot import Snapshot, counted, merge
from gateway.proxy.ledger import Ledger
from gateway.rollout.plan import Live
from gateway.shadow.mirror import Mirror
from gateway.telemetry import counters


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """A pool at one moment. `pool` says for whom it is: `clients` or `copies`.

    `breakers` has 0 (closed), 1 (trying again) or 2 (open) for each address.
    """

    side: Side
    pool: str
    busy: int
    idle: int
    connecting: int
    waiting: int
    opened: int
    breakers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figures:
    """Where the figures of this process are."""

    ledger: Ledger
    live: Live
    mirror: Mirror
    pools: Callable[[], Iterable[PoolFigures]]

    def snapshot(self) -> Snapshot:
        """All of them now, as plain data (see metrics.snapshot); call it on the loop that the parts live on."""
        return merge(
            [
                self.ledger.rows(),
                counted(counters),
                *map(_pool, self.pools()),
                {MIRROR_JOBS.name: [([], [self.mirror.waiting])], MIRROR_BYTES.name: [([], [self.mirror.held])]},
                _plan(self.live),
                process_figures(),
            ]
        )


def _pool(pool: PoolFigures) -> Snapshot:
    names = [pool.side.value, pool.pool]
    states = {"busy": pool.busy, "idle": pool.idle, "connecting": pool.connecting}
    return {
        POOL.name: [([*names, state], [number]) for state, number in states.items()],
        POOL_WAITING.name: [(names, [pool.waiting])],
        POOL_OPENED.name: [(names, [pool.opened])],
        BREAKER.name: [([*names, address], [state]) for address, state in pool.breakers.items()],
    }


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
