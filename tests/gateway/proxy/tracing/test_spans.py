"""Spans arrive at a real collector: their parents, names, attributes and links, and no secret."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from gateway.failure import Failure
from gateway.message import Headers, Observation, OutboundRequest, Request, Side
from gateway.proxy.trace_context import traceparent
from gateway.proxy.tracing.spans import Tracing
from gateway.proxy.tracing.start import start_tracing
from gateway.rollout.decide import NO_ROUTE, Decision
from gateway.routing.route import Effect, Route, Stickiness
from gateway.routing.template import Template
from gateway.telemetry import counters
from tests.gateway.proxy.test_trace_context import SPAN, TRACE
from tests.gateway.proxy.tracing.receiver import Receiver, receiving, values

PATH = Template.parse("/api/lots/{id}")
LOTS = Route("lots.get", "GET", PATH, Effect.READ, "lots", Stickiness.parse("client_ip"), PATH)
CANARY = Decision(Side.NEW, Side.LEGACY, "canary_in")
PARENT = (b"traceparent", f"00-{TRACE}-{SPAN}-01".encode())
Start = Callable[[Mapping[str, str]], Tracing]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A collector."""
    with receiving() as one:
        yield one


@pytest.fixture
def start(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts tracing to the collector, by variables alone; ends it after the test."""
    started: list[Tracing] = []

    def begin(more: Mapping[str, str]) -> Tracing:
        wanted = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "20", **more}
        for name, value in wanted.items():
            monkeypatch.setenv(name, value)
        tracing = start_tracing(os.environ)
        assert tracing is not None
        started.append(tracing)
        return tracing

    yield begin
    for one in started:
        one.close()


def request(*more: tuple[bytes, bytes], target: bytes = b"/api/lots/7?limit=5", method: str = "GET") -> Request:
    """A client's request."""
    headers: Headers = ((b"host", b"shop.test:8080"), (b"user-agent", b"curl/8"), *more)
    return Request("r-1", method, target, target.partition(b"?")[0], headers, "https", "203.0.113.7", None)


def outbound(of: Request) -> OutboundRequest:
    """What the side would be sent."""
    return OutboundRequest(of.method, of.target, of.headers, None, of.scheme, of.client_ip)


def test_a_request_is_a_server_span_with_the_exchange_below_it(receiver: Receiver, start: Start) -> None:
    """Both belong to the client's trace, and the side is told the exchange's span as its parent."""
    tracing, came = start({}), request(PARENT, (b"tracestate", b"vendor=1"))
    span = tracing.begin(came, decision=CANARY, route=LOTS, stage="canary", elapsed_s=0.5)
    headers, call = span.call(came.method, came.headers, Side.NEW, "http://10.0.0.9:3001")
    call.ended(200)
    span.ended(200)
    server, client = receiver.wait_for(2)
    assert span.trace_id == TRACE
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (TRACE, SPAN)
    assert (client.trace_id, client.parent_span_id) == (server.trace_id, server.span_id)
    assert (server.kind, client.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)
    assert (server.name, client.name) == ("GET /api/lots/{id}", "GET")
    assert server.trace_state == "vendor=1"
    assert server.end_time_unix_nano - server.start_time_unix_nano >= 500_000_000
    told = traceparent(headers)
    assert told is not None
    assert (told.trace_id, told.span_id, told.sampled) == (TRACE, client.span_id.hex(), True)
    assert (b"tracestate", b"vendor=1") in headers
    assert values(server.attributes) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/api/lots/{id}",
        "url.scheme": "https",
        "url.path": "/api/lots/7",
        "url.query": "limit=5",
        "server.address": "shop.test",
        "server.port": 8080,
        "client.address": "203.0.113.7",
        "user_agent.original": "curl/8",
        "strangler.request_id": "r-1",
        "strangler.route": "lots.get",
        "strangler.stage": "canary",
        "strangler.side": "new",
        "strangler.reason": "canary_in",
    }
    assert values(client.attributes) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": "10.0.0.9",
        "server.port": 3001,
        "strangler.side": "new",
    }
    assert receiver.resource["service.name"] == "strangler-gateway"
    assert receiver.requests[0][0] == "/v1/traces"


def test_a_request_without_a_trace_begins_one(receiver: Receiver, start: Start) -> None:
    """A broken parent counts as none, and its tracestate does not travel on."""
    came = request((b"traceparent", b"00-zz-zz-01"), (b"tracestate", b"vendor=1"))
    span = start({}).begin(came, decision=NO_ROUTE, route=None, stage="")
    headers, call = span.call(came.method, came.headers, Side.LEGACY, "unix:/run/legacy.sock")
    call.ended(204)
    span.ended(204)
    server, client = receiver.wait_for(2)
    assert server.parent_span_id == b""
    assert server.name == "GET"
    assert "http.route" not in values(server.attributes)
    assert values(client.attributes)["server.address"] == "/run/legacy.sock"
    told = traceparent(headers)
    assert told is not None
    assert told.trace_id == span.trace_id == server.trace_id.hex()
    assert b"tracestate" not in dict(headers)


def test_a_copy_has_a_trace_of_its_own_linked_to_the_request(receiver: Receiver, start: Start) -> None:
    """The client's trace ends with its answer; whoever looks for the copy follows the link."""
    came = request(PARENT)
    span = start({}).begin(came, decision=CANARY, route=LOTS, stage="canary")
    span.ended(200)
    copy, seen = span.watch(Side.LEGACY, "http://legacy:80")(outbound(came))
    seen(Observation(Side.LEGACY, None, (), b"", 5.0, Failure.LEGACY_TIMEOUT))
    server, shadow = receiver.wait_for(2)
    assert shadow.trace_id != server.trace_id
    assert [(link.trace_id, link.span_id) for link in shadow.links] == [(server.trace_id, server.span_id)]
    assert shadow.name == "shadow GET"
    assert values(shadow.attributes)["strangler.shadow"] is True
    assert values(shadow.attributes)["error.type"] == "legacy_timeout"
    told = traceparent(copy.headers)
    assert told is not None
    assert (told.trace_id, told.span_id) == (shadow.trace_id.hex(), shadow.span_id.hex())


@pytest.mark.parametrize(
    ("status", "failure", "error"),
    [
        (200, "", ""),
        (404, "", ""),
        (502, "legacy_reset", "legacy_reset"),
        (500, "", "500"),
        (499, "client_gone", "client_gone"),
    ],
)
def test_errors_are_those_of_the_conventions(
    receiver: Receiver, start: Start, status: int, failure: str, error: str
) -> None:
    """A 4xx is the client's own on a server span; a failure is named by its code."""
    start({}).begin(request(), decision=NO_ROUTE, route=None, stage="").ended(status, failure)
    (server,) = receiver.wait_for(1)
    assert values(server.attributes).get("error.type", "") == error
    assert server.status.code == (Status.STATUS_CODE_ERROR if error else Status.STATUS_CODE_UNSET)
    assert server.status.message == ""


def test_no_secret_leaves_in_a_span(receiver: Receiver, start: Start) -> None:
    """By the rules that findings are kept by; cookies and authorization are not looked at at all."""
    came = request(
        (b"authorization", b"Bearer s3cret"),
        (b"cookie", b"session=s3cret"),
        target=b"/api/lots/eyJhbGciOi.s3cret.s3cret?apikey=s3cret&x=1",
    )
    came = replace(
        came, headers=((b"user-agent", b"bot Bearer s3cret"), (b"host", b"//bob:s3cret@h"), *came.headers[2:])
    )
    span = start({}).begin(came, decision=NO_ROUTE, route=None, stage="")
    _, call = span.call(came.method, came.headers, Side.LEGACY, "http://legacy:80")
    call.ended(200)
    span.ended(200)
    assert b"s3cret" not in b"".join(one.SerializeToString() for one in receiver.wait_for(2))


def test_a_method_nobody_knows_makes_no_new_name(receiver: Receiver, start: Start) -> None:
    """Names stay few whatever a client invents."""
    start({}).begin(request(method="BREW"), decision=NO_ROUTE, route=None, stage="").ended(405)
    (server,) = receiver.wait_for(1)
    assert server.name == "HTTP"
    assert values(server.attributes)["http.request.method"] == "_OTHER"
    assert values(server.attributes)["http.request.method_original"] == "BREW"


def test_the_samplers_word_counts_and_is_passed_on(receiver: Receiver, start: Start) -> None:
    """A request that is not sampled sends no span, and its side is told so; one with a sampled parent does."""
    tracing = start({"OTEL_TRACES_SAMPLER": "parentbased_always_off"})
    came = request()
    unsampled = tracing.begin(came, decision=NO_ROUTE, route=None, stage="")
    headers, call = unsampled.call(came.method, came.headers, Side.LEGACY, "http://legacy:80")
    call.ended(200)
    unsampled.ended(200)
    told = traceparent(headers)
    assert told is not None
    assert not told.sampled
    tracing.begin(request(PARENT), decision=NO_ROUTE, route=None, stage="").ended(200)
    (server,) = receiver.wait_for(1)
    assert server.trace_id.hex() == TRACE


def test_the_resource_and_the_exporter_follow_their_variables(receiver: Receiver, start: Start) -> None:
    """Service name, further attributes, headers and compression."""
    tracing = start(
        {
            "OTEL_SERVICE_NAME": "shop-edge",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=t1",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        }
    )
    tracing.begin(request(), decision=NO_ROUTE, route=None, stage="").ended(200)
    receiver.wait_for(1)
    assert receiver.resource["service.name"] == "shop-edge"
    assert receiver.resource["deployment.environment.name"] == "test"
    _, headers = receiver.requests[0]
    assert (headers["x-tenant"], headers["content-encoding"]) == ("t1", "gzip")


def test_what_is_waiting_leaves_at_the_end(receiver: Receiver, start: Start) -> None:
    """A gateway that stops sends its last spans first."""
    tracing = start({"OTEL_BSP_SCHEDULE_DELAY": "3600000"})
    tracing.begin(request(), decision=NO_ROUTE, route=None, stage="").ended(200)
    assert receiver.spans == []
    tracing.close()
    assert len(receiver.spans) == 1


def test_a_collector_that_refuses_costs_spans_and_one_line(
    receiver: Receiver, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """They are counted; the log says so once a minute, without the SDK's own words."""
    receiver.status = 400
    before = counters["spans_dropped.export_failed"]
    tracing = start({})
    for _ in range(3):
        tracing.begin(request(), decision=NO_ROUTE, route=None, stage="").ended(200)
    tracing.close()
    assert counters["spans_dropped.export_failed"] - before == 3
    assert [record.getMessage() for record in caplog.records] == ["spans_not_exported"]


def test_more_spans_than_the_queue_holds_are_dropped_and_counted(
    receiver: Receiver, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    """Memory stays bounded, the log silent."""
    tracing = start(
        {"OTEL_BSP_MAX_QUEUE_SIZE": "10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10", "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
    )
    receiver.busy.acquire()
    before = counters["spans_dropped.queue_full"]
    for _ in range(50):
        tracing.begin(request(), decision=NO_ROUTE, route=None, stage="").ended(200)
    dropped = counters["spans_dropped.queue_full"] - before
    receiver.busy.release()
    assert dropped >= 30  # one batch is under way, another waits
    tracing.close()
    assert len(receiver.spans) == 50 - dropped
    assert caplog.records == []
