"""The figures of one process at one moment, as plain data that JSON can carry, and what several make together. Pure.

A snapshot maps a metric's name to rows: the values of its labels, and its numbers. A counter or a gauge has one
number; a histogram has the count of each bucket, not cumulated, and behind them the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from gateway.metrics.catalogue import COUNTED, METRICS, Kind, Merge

Row = tuple[Sequence[str], Sequence[float]]
Snapshot = dict[str, list[Row]]

_TOGETHER: dict[Merge, Callable[[float, float], float]] = {
    Merge.ADD: lambda one, other: one + other,
    Merge.MOST: max,
    Merge.LEAST: min,
}


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """One snapshot of several: by each metric's rule. Rows with the same labels become one."""
    found: dict[str, dict[tuple[str, ...], list[float]]] = {}
    for snapshot in snapshots:
        for name, rows in snapshot.items():
            metric = METRICS.get(name)
            if metric is not None:  # a worker of another version may know more
                _take(found.setdefault(name, {}), rows, _TOGETHER[metric.merge])
    return {name: [([*labels], numbers) for labels, numbers in rows.items()] for name, rows in found.items()}


def lasting(snapshot: Snapshot) -> Snapshot:
    """What stays true of a process that has ended: its counters and histograms."""
    return {name: rows for name, rows in snapshot.items() if METRICS[name].kind is not Kind.GAUGE}


def counted(counters: Mapping[str, int]) -> Snapshot:
    """The rows of what telemetry.count() was told; a name that is not in the catalogue has none."""
    snapshot: Snapshot = {}
    for dotted, number in list(counters.items()):
        name, _, told = dotted.partition(".")
        metric, labels = COUNTED.get(name), told.split("/") if told else []
        if metric is not None and len(labels) == len(metric.labels):
            snapshot.setdefault(metric.name, []).append((labels, [number]))
    return snapshot


def _take(
    found: dict[tuple[str, ...], list[float]], rows: Iterable[Row], together: Callable[[float, float], float]
) -> None:
    for labels, numbers in rows:
        before = found.get(tuple(labels))
        new = list(numbers) if before is None else [together(*two) for two in zip(before, numbers, strict=True)]
        found[tuple(labels)] = new
