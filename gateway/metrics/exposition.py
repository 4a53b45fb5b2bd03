"""A snapshot as the text that Prometheus reads: its own format, or OpenMetrics where that is asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import exposition as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from gateway.metrics.catalogue import BOUNDS, METRICS, Kind, Metric
from gateway.metrics.snapshot import Row, Snapshot

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily

_LE: Final = (*(str(bound) for bound in BOUNDS), "+Inf")
_OPENMETRICS: Final = "application/openmetrics-text"


def expose(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """The text and its media type, by what the Accept header names; everything in the catalogue has its HELP and TYPE.

    The library's own choice of a format fails at versions that are no numbers, so the choice is made here.
    """
    if any(one.split(";")[0].strip().lower() == _OPENMETRICS for one in accept.split(",")):
        text: bytes = openmetrics.generate_latest(_Snapshot(snapshot))  # type: ignore[no-untyped-call]  # it has no types
        return text, openmetrics.CONTENT_TYPE_LATEST
    return prometheus.generate_latest(_Snapshot(snapshot)), prometheus.CONTENT_TYPE_PLAIN_0_0_4


class _Snapshot(Collector):
    """What the library asks for its families."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Family]:
        for metric in METRICS.values():
            yield _family(metric, self._snapshot.get(metric.name, ()))


def _family(metric: Metric, rows: Sequence[Row]) -> Family:
    if metric.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        for labels, numbers in rows:
            buckets = [*zip(_LE, accumulate(numbers[:-1]), strict=True)]
            histogram.add_metric(labels, buckets, numbers[-1])
        return histogram
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=metric.labels)
    for labels, numbers in rows:
        family.add_metric(labels, numbers[0])
    return family
