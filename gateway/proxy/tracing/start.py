"""Whether traces are wanted, by the standard OTEL_ variables, and the start of what makes them. It never stops a start:
what cannot be had is told in one line of the log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.telemetry import log

if TYPE_CHECKING:
    from gateway.proxy.tracing.spans import Tracing

EXPORTERS: Final = frozenset({"otlp", "console"})
PROTOCOL: Final = "http/protobuf"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where spans go."""

    exporters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unable:
    """Traces are wanted and cannot be had."""

    because: str


def wanted(environment: Mapping[str, str]) -> Wanted | Unable | None:
    """What the variables ask for; None when they ask for no traces. A name alone, or a sampler, asks for none."""

    def value(name: str) -> str:
        return environment.get(name, "").strip()

    if value("OTEL_SDK_DISABLED").lower() == "true":
        return None
    named = tuple(name for one in value("OTEL_TRACES_EXPORTER").split(",") if (name := one.strip().lower()))
    has_endpoint = value("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or value("OTEL_EXPORTER_OTLP_ENDPOINT")
    exporters = named or (("otlp",) if has_endpoint else ())
    if not exporters or exporters == ("none",):
        return None
    unknown = sorted(set(exporters) - EXPORTERS)
    if unknown:
        return Unable(f"OTEL_TRACES_EXPORTER names {', '.join(unknown)}; there is otlp, console and none")
    protocol = value("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or value("OTEL_EXPORTER_OTLP_PROTOCOL") or PROTOCOL
    if "otlp" in exporters and protocol != PROTOCOL:
        return Unable(f"the protocol {protocol} is not spoken here, only {PROTOCOL}")
    return Wanted(exporters)


def start_tracing(environment: Mapping[str, str]) -> Tracing | None:
    """What makes spans in this process, or None. Call it in the process that serves: the SDK starts a thread.

    The SDK reads further variables (samplers, resource, endpoints, certificates) from the process's environment.
    """
    asked = wanted(environment)
    started = _started(asked) if isinstance(asked, Wanted) else asked
    if isinstance(started, Unable):
        log("tracing_off", level=logging.WARNING, because=started.because)
        return None
    return started


def _started(asked: Wanted) -> Tracing | Unable:
    try:
        from gateway.proxy.tracing.export import make_provider
        from gateway.proxy.tracing.spans import Tracing
    except ImportError as missing:
        if (missing.name or "").partition(".")[0] != "opentelemetry":
            raise
        return Unable("OTEL_ variables are set, but the extra is missing: pip install 'strangler-gateway[otel]'")
    try:
        return Tracing(make_provider(asked.exporters))
    except ValueError as wrong:  # a timeout that is no number, a compression nobody knows
        return Unable(f"an OTEL_ variable has a value that is none: {type(wrong).__name__}")
