"""Every metric: its name, kind, meaning and labels, and how the figures of several workers become one.

docs/reference/metrics.md is written from this table. It knows no part that counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

# Seconds; the last bucket, +Inf, stands behind them. The finest is about what the gateway itself takes.
BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

PREFIX: Final = "strangler_"


class Kind(StrEnum):
    """What a figure is."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Merge(Enum):
    """What the figures of several workers make together; counters and histograms always add."""

    ADD = "sum"
    MOST = "most"
    LEAST = "least"


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the catalogue. `name` is the one that is scraped, a counter's with `_total` at its end."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    merge: Merge = Merge.ADD


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"{PREFIX}{name}_total", Kind.COUNTER, meaning, labels)


def _gauge(name: str, meaning: str, *labels: str, merge: Merge = Merge.ADD) -> Metric:
    return Metric(f"{PREFIX}{name}", Kind.GAUGE, meaning, labels, merge)


def _process(name: str, kind: Kind, meaning: str, merge: Merge = Merge.ADD) -> Metric:
    return Metric(f"process_{name}", kind, meaning, (), merge)  # the names that every exporter gives them


REQUESTS: Final = _counter(
    "requests", "Requests that have ended, by route, stage, answering side and status class.", "route", "stage", "side",
    "status",
)  # fmt: skip
SECONDS: Final = Metric(
    f"{PREFIX}request_seconds", Kind.HISTOGRAM, "From a request's head to the last byte of its answer.",
    ("route", "side"),
)  # fmt: skip
CONNECTIONS: Final = _gauge("connections", "Client connections open on the data plane.")
WEBSOCKETS: Final = _gauge("websockets", "WebSockets and other upgraded connections open.")

POOL: Final = _gauge("pool_connections", "Connections to a side: busy, idle or connecting.", "side", "pool", "state")
POOL_WAITING: Final = _gauge("pool_waiting", "Requests that wait for a connection to a side.", "side", "pool")
POOL_OPENED: Final = _counter("pool_opened", "Connections opened to a side.", "side", "pool")
POOL_SHED: Final = _counter(
    "pool_shed", "Requests sent home without a connection being tried, by cause.", "side", "pool", "cause"
)
POOL_MISSES: Final = _counter(
    "pool_misses", "Connections and answers that did not come, by cause.", "side", "pool", "cause"
)
ADDRESS: Final = _gauge("address_connections", "Connections to one address of a side.", "side", "pool", "address")
BREAKER: Final = _gauge(
    "breaker_state", "An address's breaker: 0 closed, 1 trying again, 2 open.", "side", "pool", "address",
    merge=Merge.MOST,
)  # fmt: skip

MIRROR_JOBS: Final = _gauge("mirror_jobs", "Copies that wait for the mirror.")
MIRROR_BYTES: Final = _gauge("mirror_bytes", "Bytes that copies hold, waiting or under way.")
UNSAFE: Final = _gauge(
    "rehearsals_unsafe",
    "1 for a route whose writes are rehearsed no more: what its handler did, and at which line.",
    *("route", "act", "where"),
    merge=Merge.MOST,
)

FLAG_VERSION: Final = _gauge(
    "flag_version", "Version of a route's flag; none before its first flip.", "route", merge=Merge.LEAST
)
FLAG_STAGE: Final = _gauge("flag_stage", "1 for the stage a route is in.", "route", "stage", merge=Merge.MOST)
PLAN_ROUTES: Final = _gauge("plan_routes", "Routes known from the contracts.", merge=Merge.LEAST)
PLAN_SOURCE: Final = _gauge("plan_source", "1 for where the flags came from.", "source", merge=Merge.MOST)
PLAN_FRESH: Final = _gauge(
    "plan_fresh", "1 while the database can be asked, 0 when flags may be old.", merge=Merge.LEAST
)
PANICKED: Final = _gauge("panicked", "1 while a panic sends everything to legacy.", merge=Merge.LEAST)
DRAINING: Final = _gauge("draining", "1 while requests are finished and none is taken.", merge=Merge.MOST)

WORKERS: Final = _gauge("workers", "Processes whose figures these are.")
BUILD: Final = _gauge("build_info", "1, with the versions in use.", "version", "python", merge=Merge.MOST)
CPU: Final = _process("cpu_seconds_total", Kind.COUNTER, "Seconds of processor time, user and system.")
MEMORY: Final = _process(
    "resident_memory_bytes", Kind.GAUGE, "Resident memory; pages that workers share count in each."
)
FILES: Final = _process("open_fds", Kind.GAUGE, "Open file descriptors.")
STARTED: Final = _process("start_time_seconds", Kind.GAUGE, "Start, in seconds since 1970.", Merge.LEAST)

# What telemetry.count() is told: the part of its name before the dot, and the metric whose labels are the parts behind,
# with a stroke between two.
COUNTED: Final[dict[str, Metric]] = {
    "failure": _counter("failures", "Requests that a side or the gateway failed, by the failure's code.", "code"),
    "refused": _counter("refused", "Requests refused at the door, by the failure's code.", "code"),
    "client_gone": _counter("client_gone", "Clients that left before they had their answer."),
    "client_stalled": _counter("client_stalled", "Clients that took nothing of their answer for too long."),
    "shadow_offered": _counter("shadow_offered", "Copies that the mirror took.", "route"),
    "shadow_dropped": _counter("shadow_dropped", "Copies that were not compared, by cause.", "cause", "route"),
    "shadow_verdict": _counter("shadow_verdicts", "Comparisons, by outcome.", "outcome", "route"),
    "shadow_recheck": _counter("shadow_rechecks", "Times that legacy was asked again, by what that told.", "outcome"),
    "evidence_dropped": _counter("evidence_dropped", "Findings that were not stored, by cause.", "cause"),
    "auto_rollback": _counter("auto_rollbacks", "Routes taken back by themselves, by cause.", "cause", "route"),
    "webhook": _counter("rollback_webhooks", "Calls of the webhook, by how they ended.", "outcome"),
    "rehearsal_abandoned": _counter(
        "rehearsals_abandoned", "Rehearsals of writes that were given up, by cause.", "cause", "route"
    ),
    "rescued": _counter("rescued", "Requests that legacy answered in the new side's place, by cause.", "code", "route"),
    "worker_died": _counter(
        "worker_deaths", "Workers that ended without being told to, by exit code or signal.", "end"
    ),
    "override": _counter("overrides", "Requests whose side a tester's token chose, by side.", "side"),
    "override_ignored": _counter("overrides_ignored", "Override tokens that changed nothing, by cause.", "cause"),
    "spans_dropped": _counter("spans_dropped", "Spans of traces that were lost, by cause.", "cause"),
    "access_log_dropped": _counter("access_log_dropped", "Lines of the access log that were lost, by cause.", "cause"),
    "log_dropped": _counter("log_dropped", "Lines of the gateway's own log that were lost, by cause.", "cause"),
}

METRICS: Final[dict[str, Metric]] = {
    metric.name: metric
    for metric in (
        *(REQUESTS, SECONDS, CONNECTIONS, WEBSOCKETS),
        *COUNTED.values(),
        *(POOL, POOL_WAITING, POOL_OPENED, POOL_SHED, POOL_MISSES, ADDRESS, BREAKER),
        *(MIRROR_JOBS, MIRROR_BYTES, UNSAFE),
        *(FLAG_VERSION, FLAG_STAGE, PLAN_ROUTES, PLAN_SOURCE, PLAN_FRESH, PANICKED, DRAINING),
        *(WORKERS, BUILD, CPU, MEMORY, FILES, STARTED),
    )
}
