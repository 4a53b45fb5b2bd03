"""The SDK as the gateway uses it: batches leave from the SDK's own thread, and what does not arrive is counted.

The exporter's log lines hold texts of exceptions, and so addresses and more: ours say how many spans were lost.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from importlib.metadata import version
from time import monotonic
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from gateway.telemetry import count, log

SERVICE: Final = "strangler-gateway"
MOST_SPANS: Final = 2_048  # waiting; the SDK's own default
TELL_S: Final = 60.0  # how often the log says that spans are lost


def make_provider(exporters: Sequence[str]) -> TracerProvider:
    """A provider with the exporters; ValueError for variables that cannot be read."""
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    for name in exporters:
        if name == "otlp":
            provider.add_span_processor(Bounded(OTLPSpanExporter()))
        else:
            provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    return provider


class Counting(SpanExporter):
    """Another exporter, with what it was given and its failures counted; the log tells of those now and then."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._told = -TELL_S
        self.given = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans; called by the SDK's thread only."""
        self.given += len(spans)
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            count("spans_dropped.export_failed", len(spans))
            if monotonic() - self._told >= TELL_S:
                self._told = monotonic()
                log("spans_not_exported", level=logging.WARNING, spans=len(spans))
        return result

    def shutdown(self) -> None:
        """Send no more; ends an attempt that is waiting for its next one."""
        self._exporter.shutdown()


class Bounded(SpanProcessor):
    """The SDK's batches, with the spans counted that they have no room for: the SDK itself only logs them."""

    def __init__(self, exporter: SpanExporter) -> None:
        """ValueError when OTEL_BSP_MAX_QUEUE_SIZE is no number, or smaller than a batch."""
        self._most = int(os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE") or MOST_SPANS)
        self._exporter = Counting(exporter)
        self._batches = BatchSpanProcessor(self._exporter, max_queue_size=self._most)
        self._taken = 0

    def on_end(self, span: ReadableSpan) -> None:
        """Queue a span or lose it; never waits."""
        context = span.get_span_context()
        if context is None or not context.trace_flags.sampled:
            return
        if self._taken - self._exporter.given >= self._most:
            count("spans_dropped.queue_full")
            return
        self._taken += 1
        self._batches.on_end(span)

    def shutdown(self) -> None:
        """Send what is queued; blocks."""
        self._batches.shutdown()  # type: ignore[no-untyped-call]  # the SDK gave it no type

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is queued and go on; blocks."""
        return self._batches.force_flush(timeout_millis)


def _resource() -> Resource:
    """What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say; a name of ours where they give none."""
    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: SERVICE}))
    return Resource({SERVICE_VERSION: version("strangler-gateway")}).merge(resource)
