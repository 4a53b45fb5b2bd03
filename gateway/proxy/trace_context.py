"""The trace a request belongs to, by its `traceparent` (W3C Trace Context). Pure; it needs no OpenTelemetry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.message import Headers

_TRACEPARENT: Final = re.compile(rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED: Final = 1


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A trace, the span in it that sent the request, and whether that span is recorded."""

    trace_id: str
    span_id: str
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def traceparent(headers: Headers) -> TraceParent | None:
    """What the request says, names in lower case; None when it says nothing, nonsense, or two things."""
    said = [value for name, value in headers if name == b"traceparent"]
    found = _TRACEPARENT.fullmatch(said[0].strip()) if len(said) == 1 else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if not trace_id.strip(b"0") or not span_id.strip(b"0") or (version == b"00" and more):
        return None
    return TraceParent(trace_id.decode(), span_id.decode(), bool(int(flags, 16) & _SAMPLED))


def trace_id_of(headers: Headers) -> str:
    """The trace's id, as logs show it; empty without one."""
    parent = traceparent(headers)
    return "" if parent is None else parent.trace_id


def with_traceparent(headers: Headers, parent: TraceParent, *, keep_state: bool) -> Headers:
    """The headers with this parent in the place of any other; `tracestate` belongs to a trace that goes on."""
    gone = (b"traceparent",) if keep_state else (b"traceparent", b"tracestate")
    return (*(header for header in headers if header[0] not in gone), (b"traceparent", str(parent).encode()))
