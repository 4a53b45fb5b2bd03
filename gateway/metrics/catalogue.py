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
    MOST = "maximum"
    LEAST = "minimum"


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

# What telemetry.count() is told: the part of its name before the dot, and the metric whose label is the part behind.
COUNTED: Final[dict[str, Metric]] = {
    "failure": _counter("failures", "Requests that a side or the gateway failed, by the failure's code.", "code"),
    "refused": _counter("refused", "Requests refused at the door, by the failure's code.", "code"),
    "client_gone": _counter("client_gone", "Clients that left before their request was whole."),
    "shadow_offered": _counter("shadow_offered", "Copies that the mirror took."),
    "shadow_dropped": _counter("shadow_dropped", "Copies that were not compared, by cause.", "cause"),
    "shadow_verdict": _counter("shadow_verdicts", "Comparisons, by outcome.", "outcome"),
    "evidence_dropped": _counter("evidence_dropped", "Findings that were not stored, by cause.", "cause"),
    "override": _counter("overrides", "Requests whose side a tester's token chose, by side.", "side"),
    "override_ignored": _counter("overrides_ignored", "Override tokens that changed nothing, by cause.", "cause"),
    "access_log_dropped": _counter("access_log_dropped", "Lines of the access log that were lost, by cause.", "cause"),
}
