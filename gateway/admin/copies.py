"""What became of a route's copies, out of the figures of this gateway's processes. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.admin.schemas import Json
from gateway.metrics.catalogue import COUNTED, UNSAFE
from gateway.metrics.snapshot import Snapshot


def copies_json(snapshot: Snapshot, route: str) -> Json:
    """Since these processes started: copies taken, dropped by cause, compared by outcome; what is unsafe about it."""
    taken = _of(snapshot, "shadow_offered", route)
    return {
        "taken": sum(taken.values()),
        "dropped": _of(snapshot, "shadow_dropped", route),
        "compared": _of(snapshot, "shadow_verdict", route),
        "unsafe": [
            {"act": labels[1], "where": labels[2]} for labels, _ in snapshot.get(UNSAFE.name, ()) if labels[0] == route
        ],
    }


def _of(snapshot: Snapshot, counted: str, route: str) -> dict[str, int]:
    """The counts of a route by the metric's other label."""
    metric = COUNTED[counted]
    at = metric.labels.index("route")
    rows: Sequence[tuple[Sequence[str], Sequence[float]]] = snapshot.get(metric.name, ())
    return {
        "/".join(label for number, label in enumerate(labels) if number != at): int(numbers[0])
        for labels, numbers in rows
        if labels[at] == route
    }
