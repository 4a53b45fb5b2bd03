"""A request, the exchange with its side and its copy as spans, named by OpenTelemetry's conventions for HTTP.

Everything here is synchronous, so that callbacks and coroutines can use it alike. No attribute holds a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from time import time_ns
from typing import Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.span import SpanContext, TraceFlags, TraceState
from opentelemetry.util.types import AttributeValue

from gateway.message import Headers, Observation, OutboundRequest, Request, Side
from gateway.proxy.trace_context import TraceParent, traceparent, with_traceparent
from gateway.rollout.decide import Decision
from gateway.routing.route import Route
from gateway.shadow.job import Watch
from gateway.shadow.redact import redact_target
from gateway.shadow.secrets import without_credentials

CLOSE_S: Final = 3.0  # how long the end of the gateway waits for spans to leave
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"})
_LONGEST: Final = 500  # characters of a client's words in an attribute

Attributes = dict[str, AttributeValue]


class Tracing:
    """Makes the spans of one process."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("strangler")

    def begin(
        self, request: Request, *, decision: Decision, route: Route | None, stage: str, elapsed_s: float = 0.0
    ) -> RequestSpan:
        """The span of a request that has been decided; it came `elapsed_s` seconds ago."""
        parent = traceparent(request.headers)
        attributes: Attributes = {
            **_method(request.method),
            "url.scheme": request.scheme,
            "strangler.side": decision.authoritative.value,
            "strangler.reason": decision.reason,
        }
        if route is not None:
            attributes |= {
                "http.route": route.template.text,
                "strangler.route": route.key,
                "strangler.stage": str(stage),
            }
        span = self._tracer.start_span(
            _name(request.method, route),
            context=_context(parent, request.headers),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=time_ns() - int(elapsed_s * 1e9),
        )
        if span.is_recording():
            span.set_attributes(_words_of(request, route))
        return RequestSpan(self._tracer, span, goes_on=parent is not None)

    def close(self) -> None:
        """Send what is left, as far as that goes quickly; blocks."""
        ending = Thread(target=self._provider.shutdown, name="tracing-end", daemon=True)
        ending.start()
        ending.join(CLOSE_S)


@dataclass(frozen=True, slots=True)
class RequestSpan:
    """One request. `goes_on` says that its trace began with the client."""

    tracer: Tracer
    span: Span
    goes_on: bool

    @property
    def trace_id(self) -> str:
        """The trace's id, as logs show it."""
        return f"{self.span.get_span_context().trace_id:032x}"

    def call(self, method: str, headers: Headers, side: Side, origin: str) -> tuple[Headers, CallSpan]:
        """The headers for a side with this trace's parent in them, and the span of the exchange.

        `origin` is a URL, `unix:PATH`, or the name of an app in this process.
        """
        span = self.tracer.start_span(
            method if method in _METHODS else "HTTP",
            context=set_span_in_context(self.span, Context()),
            kind=SpanKind.CLIENT,
            attributes=_call_attributes(method, side, origin),
        )
        return with_traceparent(headers, _parent(span), keep_state=self.goes_on), CallSpan(span)

    def ended(self, status: int, failure: str = "") -> None:
        """The answer has gone out, or the client has left (499, `client_gone`)."""
        _end(self.span, status, failure, bad_from=500)

    def watch(self, side: Side, origin: str) -> Watch:
        """For the mirror: gives a copy a trace of its own, linked to this one."""

        def begin(copy: OutboundRequest) -> tuple[OutboundRequest, Callable[[Observation], None]]:
            span = self.tracer.start_span(
                f"shadow {copy.method if copy.method in _METHODS else 'HTTP'}",
                context=Context(),  # the client's trace is over when it has its answer
                kind=SpanKind.CLIENT,
                attributes={**_call_attributes(copy.method, side, origin), "strangler.shadow": True},
                links=[Link(self.span.get_span_context())],
            )
            headers = with_traceparent(copy.headers, _parent(span), keep_state=False)
            return copy.with_headers(headers), CallSpan(span).observed

        return begin


@dataclass(frozen=True, slots=True)
class CallSpan:
    """One exchange with a side."""

    span: Span

    def ended(self, status: int | None, failure: str = "") -> None:
        """The side has answered, or failed."""
        _end(self.span, status, failure, bad_from=400)

    def observed(self, seen: Observation) -> None:
        """As `ended`, for the mirror."""
        self.ended(seen.status, "" if seen.failure is None else seen.failure.code)


def _end(span: Span, status: int | None, failure: str, *, bad_from: int) -> None:
    if span.is_recording():
        if status is not None:
            span.set_attribute("http.response.status_code", status)
        if failure or (status is not None and status >= bad_from):
            span.set_attribute("error.type", failure or str(status))
            span.set_status(StatusCode.ERROR)
    span.end()


def _parent(span: Span) -> TraceParent:
    made = span.get_span_context()
    return TraceParent(f"{made.trace_id:032x}", f"{made.span_id:016x}", made.trace_flags.sampled)


def _context(parent: TraceParent | None, headers: Headers) -> Context:
    """The client's span as the parent; without one an empty context, and never what another task has left behind."""
    if parent is None:
        return Context()
    state = TraceState.from_header([value.decode("latin-1") for name, value in headers if name == b"tracestate"])
    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    remote = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), True, flags, state)
    return set_span_in_context(NonRecordingSpan(remote), Context())


def _name(method: str, route: Route | None) -> str:
    """Few names: the method, if it is a known one, and the template of the route."""
    known = method if method in _METHODS else "HTTP"
    return known if route is None else f"{known} {route.template.text}"


def _method(method: str) -> Attributes:
    if method in _METHODS:
        return {"http.request.method": method}
    return {"http.request.method": "_OTHER", "http.request.method_original": method[:_LONGEST]}


def _words_of(request: Request, route: Route | None) -> Attributes:
    """What the client says, without secrets; only for spans that are kept, because it takes a while."""
    template, names = (None, frozenset[str]()) if route is None else (route.template, route.redact)
    path, question, query = redact_target(request.target, template, names).partition("?")
    said: Attributes = {"url.path": path, "client.address": request.client_ip, "strangler.request_id": request.id}
    if question:
        said["url.query"] = query
    host, agent = request.header(b"host"), request.header(b"user-agent")
    if host is not None:
        said |= _server(without_credentials(host[:_LONGEST].decode("latin-1")))
    if agent is not None:
        said["user_agent.original"] = without_credentials(agent[:_LONGEST].decode("latin-1"))
    return said


def _call_attributes(method: str, side: Side, origin: str) -> Attributes:
    attributes: Attributes = {**_method(method), "strangler.side": side.value}
    scheme, found, authority = origin.partition("://")
    if found:
        return {**attributes, **_server(authority)}
    if origin.startswith("unix:"):
        return {**attributes, "server.address": origin.removeprefix("unix:"), "network.transport": "unix"}
    return {**attributes, "strangler.app": scheme}


def _server(authority: str) -> Attributes:
    """Host and port apart, the port where there is one."""
    host, colon, port = authority.rpartition(":")
    if colon and port.isdecimal() and len(port) < 6:
        return {"server.address": host.strip("[]"), "server.port": int(port)}
    return {"server.address": authority.strip("[]")}
