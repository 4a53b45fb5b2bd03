"""A whole gateway seen from outside: figures, access log, testers' tokens and traces, over real sockets."""

from __future__ import annotations

import http.server
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families as read_metrics

from gateway.message import Side
from gateway.proxy.server import Front
from gateway.rollout.override import issue
from tests.gateway.proxy.sockets import HANDSHAKE, SWITCH, frame
from tests.gateway.proxy.tracing.receiver import Receiver, receiving, values
from tests.gateway.running import CLIENT, Running, eventually, start_gateway

SECRET = "thirty-two bytes and a little more"
TRACE = "0af7651916cd43dd8448eb211c80319c"
SOCKET_TRACE = "1bf7651916cd43dd8448eb211c80319d"


@dataclass(slots=True)
class Sides:
    """Two backends that keep what they were sent."""

    urls: dict[str, str] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def last(self, side: str) -> dict[str, str]:
        """The headers of the newest request that a side was sent."""
        return next(headers for name, _, headers in reversed(self.seen) if name == side)


@pytest.fixture(scope="module")
def sides() -> Iterator[Sides]:
    """legacy and new, each a server on a free port."""
    both, servers = Sides(), []
    for name in ("legacy", "new"):

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version, side = "HTTP/1.1", name

            def do_GET(self) -> None:
                both.seen.append((self.side, self.path, {key.lower(): value for key, value in self.headers.items()}))
                if self.path == "/ws":
                    self.request.sendall(SWITCH)
                    while data := self.request.recv(65_536):
                        self.request.sendall(data)
                    self.close_connection = True
                    return
                self.send_response(500 if self.path.startswith("/broken") else 200)
                self.send_header("server-timing", "db;dur=3")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        both.urls[name] = f"http://127.0.0.1:{server.server_port}"
        servers.append(server)
    yield both
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def collector() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture(
    scope="module", params=[("edge", True), ("edge", False), ("asgi", False)], ids=["traced", "untraced", "asgi"]
)
def kind(request: pytest.FixtureRequest) -> tuple[Front, bool]:
    """By which front, and whether traces are made; where they are not, the edge's plain requests take its fast lane."""
    front, traced = request.param
    return front, traced


@pytest.fixture(scope="module")
def traced(kind: tuple[Front, bool]) -> bool:
    """Whether traces are made."""
    return kind[1]


@pytest.fixture(scope="module")
def gateway(
    sides: Sides, collector: Receiver, kind: tuple[Front, bool], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A gateway with everything else switched on."""
    front, traced = kind
    otel = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "20"}
    folder = tmp_path_factory.mktemp("seen")
    for key, path in (("lots.list", "/api/lots"), ("runs.list", "/api/runs"), ("feed", "/ws")):
        file = folder / "contracts" / key / "route.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(f"route: GET {path}\neffect: read\nstickiness: client_ip\n")
    running = start_gateway(
        *("--legacy", sides.urls["legacy"], "--new", sides.urls["new"], "--contracts", str(folder / "contracts")),
        *("--front", front, "--access-log", "1", "--access-log-file", str(folder / "access.log")),
        state=folder / "state",
        environment={"STRANGLER_OVERRIDE_SECRET": SECRET, **(otel if traced else {})},
    )
    yield running
    assert running.stop() == 0


def token(side: Side = Side.NEW) -> str:
    """A tester's token that holds now."""
    return issue(SECRET, side=side, now=time.time(), life_s=60, token_id="t")


def metrics(gateway: Running) -> dict[tuple[str, str], float]:
    """Every sample by its name and labels."""
    text = CLIENT.get(gateway.admin + "/metrics").text
    return {
        (sample.name, ",".join(f"{key}={sample.labels[key]}" for key in sorted(sample.labels))): sample.value
        for family in read_metrics(text)
        for sample in family.samples
    }


def lines(gateway: Running) -> list[dict[str, object]]:
    """The access log."""
    return [json.loads(line) for line in (gateway.state.parent / "access.log").read_text().splitlines()]


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("/api/lots", "route=lots.list,side=legacy,stage=legacy,status=2xx"),
        ("/nothing", "route=-,side=legacy,stage=,status=2xx"),
        ("/broken", "route=-,side=legacy,stage=,status=5xx"),
    ],
)
def test_every_lane_counts_and_logs_its_requests(gateway: Running, path: str, labels: str) -> None:
    """What the fast lane answers is in the figures and in the log like everything else."""
    name = ("strangler_requests_total", labels)
    before = metrics(gateway).get(name, 0)
    for number in range(5):
        gateway.get(f"{path}?token=s3cret&n={number}", **{"x-request-id": f"count-{path[1:4]}-{number}"})
    assert eventually(lambda: metrics(gateway).get(name, 0) == before + 5)
    wanted = f"count-{path[1:4]}-4"
    (line,) = eventually(lambda: [line for line in lines(gateway) if line["request_id"] == wanted])
    assert (line["path"], line["bytes"], line["side"]) == (f"{path}?token=(hidden)&n=4", 2, "legacy")


def test_open_connections_are_told(gateway: Running) -> None:
    """A client that is connected and says nothing is one."""
    host, _, port = gateway.data.removeprefix("http://").partition(":")
    name = ("strangler_connections", "")
    assert eventually(lambda: metrics(gateway)[name] == 0)
    with socket.create_connection((host, int(port))):
        assert eventually(lambda: metrics(gateway)[name] == 1)
    assert eventually(lambda: metrics(gateway)[name] == 0)


def test_a_refusal_at_the_door_is_counted(gateway: Running) -> None:
    """By its code."""
    CLIENT.get(gateway.data + "/" + "x" * 20_000)
    assert eventually(lambda: metrics(gateway).get(("strangler_refused_total", "code=target_too_long"), 0) >= 1)


@pytest.mark.parametrize("carried", ["header", "cookie"])
def test_a_tester_is_answered_by_the_other_side(gateway: Running, sides: Sides, carried: str) -> None:
    """The side never sees the token, the answer says where the time went, no copy is made; it is counted once."""
    chosen = ("strangler_overrides_total", "side=new")
    before = metrics(gateway).get(chosen, 0)
    value = f"x-strangler-override={token()}"
    headers = {"x-strangler-override": token()} if carried == "header" else {"cookie": f"a=1; {value}; b=2"}
    answer = gateway.get("/api/lots", **headers)
    assert answer.headers["x-strangler-side"] == "new"
    timings = answer.headers.get_list("server-timing")
    assert timings[0] == "db;dur=3"
    assert re.fullmatch(r"gateway;dur=\d+\.\d\d, new;dur=\d+\.\d\d", timings[1])
    assert "override" not in str(sides.last("new"))
    assert sides.last("new").get("cookie") == (None if carried == "header" else "a=1; b=2")
    assert eventually(lambda: lines(gateway)[-1]["reason"] == "override")
    assert metrics(gateway)[chosen] == before + 1


def test_a_cookie_of_ours_alone_leaves_no_cookie_header(gateway: Running, sides: Sides) -> None:
    """Nothing of it reaches a side, whichever answers, and whether it is valid or not."""
    answer = gateway.get("/api/runs", cookie="x-strangler-override=nonsense")
    assert answer.headers["x-strangler-side"] == "legacy"
    assert answer.headers.get_list("server-timing") == ["db;dur=3"]
    assert "cookie" not in sides.last("legacy")


@pytest.mark.parametrize("path", ["/api/runs", "/ws"])
def test_a_token_that_changes_nothing_is_counted_once(gateway: Running, path: str) -> None:
    """Whichever lane its request takes, and a WebSocket's handshake."""
    ignored = ("strangler_overrides_ignored_total", "cause=not_signed")
    before = metrics(gateway).get(ignored, 0)
    cookie = b"Cookie: x-strangler-override=nonsense\r\n\r\n"
    if path == "/ws":
        with connected(gateway) as client:
            client.sendall(HANDSHAKE.replace(b"\r\n\r\n", b"\r\n" + cookie))
            assert client.recv(1)
    else:
        gateway.get(path, cookie="x-strangler-override=nonsense")
    assert eventually(lambda: metrics(gateway).get(ignored, 0) > before)
    assert metrics(gateway)[ignored] == before + 1


def connected(gateway: Running) -> socket.socket:
    """A connection to the data plane."""
    host, _, port = gateway.data.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=10)


@contextmanager
def opened(gateway: Running, handshake: bytes) -> Iterator[socket.socket]:
    """A WebSocket to legacy, open and raw."""
    with connected(gateway) as client:
        client.sendall(handshake)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        yield client


def test_traces_and_testers_leave_a_websockets_bytes_alone(
    gateway: Running, sides: Sides, collector: Receiver, kind: tuple[Front, bool]
) -> None:
    """The edge passes fragments and what legacy has to judge as they are; the handshake is a trace."""
    front, traced = kind
    parent, tester = f"00-{SOCKET_TRACE}-b7ad6b7169203331-01", token(Side.LEGACY)
    fields = f"traceparent: {parent}\r\nx-strangler-override: {tester}\r\n\r\n".encode()
    sent = frame(0x1, b"Gr", fin=False) + frame(0x9, b"ping") + frame(0x0, b"ey") + b"\xc1\x81\x00\x00\x00\x00a"
    if front == "asgi":  # knows messages and not bytes
        return
    with opened(gateway, HANDSHAKE.replace(b"\r\n\r\n", b"\r\n" + fields)) as client:
        client.sendall(sent)
        back = b""
        while len(back) < len(sent):
            back += client.recv(65_536)
        assert back == sent
    told = sides.last("legacy")["traceparent"]
    assert "x-strangler-override" not in sides.last("legacy")
    if not traced:
        assert told == parent
        return
    client_span = next(one for one in spans_of(collector, SOCKET_TRACE) if one.span_id.hex() == told.split("-")[2])
    assert values(client_span.attributes)["http.response.status_code"] == 101


def spans_of(collector: Receiver, trace: str) -> list[Span]:
    """The two spans of a request."""
    return eventually(
        lambda: two if len(two := [one for one in collector.spans if one.trace_id.hex() == trace]) == 2 else []
    )


def test_a_request_is_a_trace(gateway: Running, sides: Sides, collector: Receiver, traced: bool) -> None:
    """The side's parent is the exchange's span, whose parent is the request's; untraced, it is the client's as sent."""
    parent = f"00-{TRACE}-b7ad6b7169203331-01"
    gateway.get("/api/lots", traceparent=parent, **{"x-request-id": "traced-1"})
    (line,) = eventually(lambda: [line for line in lines(gateway) if line["request_id"] == "traced-1"])
    assert line["trace_id"] == TRACE
    told = sides.last("legacy")["traceparent"]
    if not traced:
        assert told == parent
        return
    spans = spans_of(collector, TRACE)
    client = next(one for one in spans if one.span_id.hex() == told.split("-")[2])
    server = next(one for one in spans if one.span_id == client.parent_span_id)
    assert told.split("-")[1] == TRACE
    assert values(server.attributes)["strangler.route"] == "lots.list"


def test_a_copy_is_compared_and_traced_by_itself(gateway: Running, collector: Receiver, traced: bool) -> None:
    """Its span is linked to the request's; the log says that there was one."""
    assert gateway.flip("runs.list", "shadow").status_code == 200
    gateway.get("/api/runs", **{"x-request-id": "copied-1"})
    offered = ("strangler_shadow_offered_total", "route=runs.list")
    assert eventually(lambda: metrics(gateway).get(offered, 0) >= 1)
    (line,) = eventually(lambda: [line for line in lines(gateway) if line["request_id"] == "copied-1"])
    assert line["shadowed"] is True
    if traced:
        copy = eventually(lambda: next((one for one in collector.spans if one.name.startswith("shadow")), None))
        assert copy is not None
        server = spans_of(collector, str(line["trace_id"]))[0]
        assert copy.links[0].trace_id == server.trace_id != copy.trace_id
