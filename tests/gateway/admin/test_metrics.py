"""GET /metrics: readable by Prometheus in both of its formats, without a token and without a secret."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

from gateway.message import Side
from gateway.metrics.catalogue import METRICS, Kind
from gateway.metrics.snapshot import counted
from gateway.proxy.figures import Figures
from gateway.proxy.ledger import Ledger
from gateway.relay.breaker import State
from gateway.relay.figures import AddressFigures, PoolFigures
from gateway.rollout.flag import Flag
from gateway.rollout.plan import Live, Plan, Source
from gateway.rollout.stage import Stage
from gateway.routing.route import Effect, Route, Stickiness
from gateway.routing.table import RouteTable
from gateway.routing.template import Template
from gateway.shadow.finding import Found
from gateway.shadow.mirror import Bounds, Mirror
from gateway.shadow.served import ServedKind

from .conftest import Plane

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Nowhere:
    """An evidence sink that is not used here."""

    async def store(self, findings: Sequence[Found]) -> None:
        """Keep nothing."""

    async def store_served(self, kinds: Mapping[ServedKind, int]) -> None:
        """Count nothing."""


def figures(ledger: Ledger, *routes: Route, flags: dict[str, Flag] | None = None) -> Figures:
    """The figures of a process with one pool."""
    live = Live(Plan(RouteTable(routes), flags or {}, Source.SNAPSHOT), fresh=False)
    addresses = (AddressFigures("10.0.0.1:80", State.CLOSED, 0, 7), AddressFigures("10.0.0.2:80", State.OPEN, 1, 0))
    pool = PoolFigures(3, 4, 1, 2, 99, {"busy": 5}, {"refused": 6}, addresses)
    mirror = Mirror({}, lambda _: pytest.fail("nothing is compared here"), Nowhere(), Bounds())
    return Figures(ledger, live, mirror, lambda: [(Side.LEGACY, "clients", pool)])


async def scraped(plane: Plane, accept: str = "") -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and the values of its labels."""
    answer = await plane.ask("GET", "/metrics", role="nobody", headers={"accept": accept})
    assert answer.status_code == 200
    read: Any = read_openmetrics if "openmetrics" in answer.headers["content-type"] else read_plain
    return {
        (sample.name, tuple(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in read(answer.text)
        for sample in family.samples
    }


@pytest.mark.parametrize("accept", ["", "text/plain", "*/*", OPENMETRICS, "text/html, " + OPENMETRICS + ";q=0.5"])
async def test_a_scrape_tells_what_was_counted(plane: Plane, accept: str) -> None:
    """Counts, histograms and gauges of two workers come out added up."""
    ledger = Ledger()
    ledger.ended("lots.list", "canary", "new", 200, 0.02)
    ledger.connections, ledger.websockets = 5, 1
    flag = Flag("lots.list", Stage.CANARY, version=3)
    path = Template.parse("/api/lots")
    lots = Route("lots.list", "GET", path, Effect.READ, "lots", Stickiness.parse("client_ip"), path)
    snapshot = figures(ledger, lots, flags={"lots.list": flag}).snapshot()
    plane.snapshots += [{**snapshot, **counted({"failure.legacy_reset": 2, "client_gone": 1})}, snapshot]
    found = await scraped(plane, accept)
    assert found["strangler_requests_total", ("lots.list", "new", "canary", "2xx")] == 2
    assert found["strangler_request_seconds_bucket", ("0.01", "lots.list", "new")] == 0
    assert found["strangler_request_seconds_bucket", ("0.025", "lots.list", "new")] == 2
    assert found["strangler_request_seconds_bucket", ("+Inf", "lots.list", "new")] == 2
    assert found["strangler_request_seconds_count", ("lots.list", "new")] == 2
    assert found["strangler_request_seconds_sum", ("lots.list", "new")] == 0.04
    assert found["strangler_failures_total", ("legacy_reset",)] == 2
    assert found["strangler_client_gone_total", ()] >= 1
    assert found["strangler_connections", ()] == 10
    assert found["strangler_websockets", ()] == 2
    assert found["strangler_pool_connections", ("clients", "legacy", "busy")] == 6
    assert found["strangler_pool_waiting", ("clients", "legacy")] == 4
    assert found["strangler_pool_opened_total", ("clients", "legacy")] == 198
    assert found["strangler_pool_shed_total", ("busy", "clients", "legacy")] == 10
    assert found["strangler_pool_misses_total", ("refused", "clients", "legacy")] == 12
    assert found["strangler_address_connections", ("10.0.0.1:80", "clients", "legacy")] == 14
    assert found["strangler_breaker_state", ("10.0.0.1:80", "clients", "legacy")] == 0
    assert found["strangler_breaker_state", ("10.0.0.2:80", "clients", "legacy")] == 2
    assert found["strangler_flag_version", ("lots.list",)] == 3
    assert found["strangler_flag_stage", ("lots.list", "canary")] == 1
    assert found["strangler_plan_routes", ()] == 1
    assert found["strangler_plan_source", ("snapshot",)] == 1
    assert found["strangler_plan_fresh", ()] == found["strangler_draining", ()] == 0
    assert found["strangler_mirror_jobs", ()] == found["strangler_mirror_bytes", ()] == 0
    assert found["strangler_workers", ()] == 2
    assert found["process_resident_memory_bytes", ()] > 1e6


async def test_every_metric_is_described_before_it_has_a_figure(plane: Plane) -> None:
    """A dashboard finds all names on a gateway that has just started."""
    answer = await plane.ask("GET", "/metrics", role="nobody")
    for metric in METRICS.values():
        assert f"# HELP {metric.name} {metric.meaning}\n" in answer.text
        assert f"# TYPE {metric.name} {metric.kind}\n" in answer.text


def test_names_and_labels_follow_the_conventions() -> None:
    """Only counters end in _total; units are the base ones; no label may hold a path, a header or a person."""
    for metric in METRICS.values():
        assert metric.name.startswith(("strangler_", "process_"))
        assert metric.name.endswith("_total") is (metric.kind is Kind.COUNTER)
        assert not metric.name.endswith(("_ms", "_kb", "_count", "_sum", "_bucket"))
        assert set(metric.labels) <= {
            *("route", "stage", "side", "status", "code", "cause", "outcome", "act", "where"),
            *("pool", "state", "address", "source", "version", "python", "end"),
        }


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text; version=abc",
        "text/plain; version=..;escaping=x",
        "application/openmetrics-text;version=99999999999999999999",
        ";,;=,",
        "application/openmetrics-text;" * 2_000,
    ],
)
async def test_a_strange_accept_header_is_no_failure(plane: Plane, accept: str) -> None:
    """Whatever is asked for, one of the two formats comes."""
    answer = await plane.ask("GET", "/metrics", role="nobody", headers={"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(("text/plain; version=0.0.4", "application/openmetrics-text"))


async def test_metrics_are_for_the_planes_own_names_only(plane: Plane) -> None:
    """A page in a browser cannot read them under a name of its own."""
    assert (await plane.ask("GET", "/metrics", role="nobody", headers={"host": "evil.example"})).status_code == 421
