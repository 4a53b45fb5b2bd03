"""The figures of several processes become one set that a rate may be taken over."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

from gateway.metrics.catalogue import (
    BOUNDS,
    BREAKER,
    COUNTED,
    CPU,
    FLAG_VERSION,
    METRICS,
    PLAN_FRESH,
    REQUESTS,
    SECONDS,
)
from gateway.metrics.fleet import Fleet
from gateway.metrics.process import process_figures
from gateway.metrics.snapshot import Snapshot, counted, merge
from gateway.proxy.ledger import Ledger
from tests.docs.files import REPOSITORY


def one_worker(seconds: float, *, version: int, fresh: int, breaker: int) -> Snapshot:
    """The figures of a worker that has answered one request."""
    ledger = Ledger()
    ledger.ended("lots.list", "canary", "new", 200, seconds)
    return {
        **ledger.rows(),
        FLAG_VERSION.name: [(["lots.list"], [version])],
        PLAN_FRESH.name: [([], [fresh])],
        BREAKER.name: [(["legacy", "clients", "10.0.0.1:80"], [breaker])],
    }


def test_counts_add_and_gauges_follow_their_own_rule() -> None:
    """Requests and histograms add; versions and freshness are the least, breakers the worst that any worker has."""
    both = merge([one_worker(0.3, version=7, fresh=1, breaker=0), one_worker(400.0, version=6, fresh=0, breaker=2)])
    assert both[REQUESTS.name] == [(["lots.list", "canary", "new", "2xx"], [2])]
    ((labels, numbers),) = both[SECONDS.name]
    assert labels == ["lots.list", "new"]
    assert sum(numbers[:-1]) == 2
    assert numbers[BOUNDS.index(0.5)] == numbers[len(BOUNDS)] == 1
    assert numbers[-1] == 400.3
    assert both[FLAG_VERSION.name] == [(["lots.list"], [6])]
    assert both[PLAN_FRESH.name] == [([], [0])]
    assert both[BREAKER.name][0][1] == [2]


def test_a_snapshot_travels_as_json() -> None:
    """What a worker sends is what the process with the workers adds up."""
    sent = {
        **one_worker(0.01, version=1, fresh=1, breaker=0),
        **process_figures(),
        **counted({"failure.legacy_reset": 3}),
    }
    assert merge([json.loads(json.dumps(sent))]) == merge([sent])


def test_a_metric_nobody_knows_is_left_out() -> None:
    """A worker of another version may send more than this one can name."""
    assert merge([{"strangler_tomorrow_total": [([], [1])]}]) == {}


def test_what_a_worker_counted_stays_after_its_end() -> None:
    """No counter falls when a worker is replaced; its gauges go with it."""
    fleet = Fleet()
    fleet.told(1, one_worker(0.3, version=7, fresh=1, breaker=2))
    fleet.told(
        1, merge([one_worker(0.3, version=7, fresh=1, breaker=2), one_worker(0.3, version=7, fresh=1, breaker=2)])
    )
    fleet.gone(1)
    fleet.gone(1)
    assert BREAKER.name not in fleet.merged()
    fleet.told(2, one_worker(0.3, version=7, fresh=1, breaker=0))
    assert fleet.merged()[REQUESTS.name] == [(["lots.list", "canary", "new", "2xx"], [3])]
    assert fleet.merged()[BREAKER.name][0][1] == [0]


def test_the_processor_time_of_this_process_is_told() -> None:
    """Figures of the process are those of the operating system."""
    assert 0 < process_figures()[CPU.name][0][1][0] < 1e6


def test_counted_names_become_labels() -> None:
    """`failure.x` is a failure with the code x; a name with a label too many or too few is not told."""
    rows = counted({"failure.legacy_reset": 2, "client_gone": 1, "client_gone.x": 1, "failure": 1, "else": 1})
    assert rows == {
        COUNTED["failure"].name: [(["legacy_reset"], [2])],
        COUNTED["client_gone"].name: [([], [1])],
    }


def test_everything_that_is_counted_anywhere_is_in_the_catalogue() -> None:
    """A name that telemetry.count() is told, and the catalogue has not, would be seen by nobody."""
    told = {name for path in (REPOSITORY / "gateway").rglob("*.py") for name in _counted_names(path)}
    assert {name.partition(".")[0] for name in told} <= set(COUNTED), told
    assert all(bool(COUNTED[name.partition(".")[0]].labels) is ("." in name) for name in told)
    assert len(METRICS) == len({metric.name for metric in METRICS.values()})


def _counted_names(path: Path) -> Iterator[str]:
    """The texts that calls of `count` begin with."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "count":
            continue
        for argument in node.args[:1]:
            text = argument.values[0] if isinstance(argument, ast.JoinedStr) else argument
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield text.value
