"""The table of figures wanted says yes only to what was seen, in this run, without a wrong answer."""

from __future__ import annotations

from tests.bench.growth import Growth
from tests.bench.loads import LOADS
from tests.bench.report import tables
from tests.bench.rounds import Measured, Slice
from tests.bench.wanted import Seen, growth_table, table


def taken(per_s: float, *, cpu_us: float = 100.0, p50_ms: float = 1.0, wrong: int = 0) -> Slice:
    """A slice of an undisturbed run."""
    return Slice(per_s, cpu_us, p50_ms, p99_ms=2.0, wrong=wrong, core=1.0, stolen=0.0, shared=0.0)


def measured(load: str, **fronts: list[Slice]) -> list[Measured]:
    """What the fronts did under a load; a hyphen in a name is written as two underscores."""
    return [Measured(LOADS[load], name.replace("__", "-"), slices) for name, slices in fronts.items()]


def row(seen: Seen, begin: str) -> list[str]:
    """A row of the table: floor, aim, seen, whether each is reached, what stands beside."""
    [line] = [line for line in table(seen).splitlines() if line.startswith(f"| {begin}")]
    return [cell.strip() for cell in line.split("|")[2:-1]]


def test_a_ratio_is_the_median_of_its_rounds() -> None:
    """Each round by itself: a slow minute of the machine is in both figures of its ratio."""
    rounds = measured("get-64", strangler=[taken(40), taken(9), taken(300)], nginx=[taken(100), taken(20), taken(500)])
    assert row(Seen(rounds, [], 3.0), "get-64: 1 KB GET") == ["0.4", "0.55", "0.45", "yes", "no", ""]


def test_what_was_not_measured_or_went_wrong_is_no_figure() -> None:
    """Neither reaches anything."""
    rounds = measured("get-1000", strangler=[taken(90, wrong=1)], nginx=[taken(100)])
    for begin in ("get-1000", "post-10m"):
        assert row(Seen(rounds, [], 3.0), begin)[2:] == ["not measured, or with wrong answers", "-", "-", ""]


def test_what_is_added_is_told_beside_what_nginx_adds() -> None:
    """The upstream's own time is not the gateway's."""
    rounds = measured(
        "get-1", strangler=[taken(1, p50_ms=0.15)], nginx=[taken(1, p50_ms=0.1)], direct=[taken(1, p50_ms=0.05)]
    )
    wanted = ["at most 0.12 ms", "at most 0.07 ms", "0.10 ms", "yes", "no", "nginx adds 0.05 ms"]
    assert row(Seen(rounds, [], 3.0), "get-1:") == wanted
    assert "| strangler | 1.00 | 1.00 to 1.00 | 1.00 | 100 | 1 | 0.150 | 0.100 |" in "\n".join(tables(rounds))


def test_a_canarys_own_share_is_what_its_handler_does_not_need() -> None:
    """CPU time of the gateway with the app, less that of the app alone."""
    rounds = measured("canary-own", strangler=[taken(1, cpu_us=70)], handler=[taken(1, cpu_us=45)])
    assert row(Seen(rounds, [], 1.5), "canary-own")[2:5] == ["25.00 us CPU", "yes", "no"]
    assert row(Seen(rounds, [], 1.5), "lookup")[2:5] == ["1.50 us", "yes", "yes"]


def test_growth_is_the_most_of_the_four_cases() -> None:
    """Of the edge; every front has a row of its own."""
    growth = [
        Growth("strangler", 80, {"1 GB up": 1.0, "slow reader": 2.5}),
        Growth("nginx", 10, {"1 GB up": 0, "slow reader": 0}),
    ]
    assert row(Seen([], growth, 3.0), "memory growth")[2:5] == ["2.50 MB", "yes", "no"]
    assert "| strangler | 80 | +1.0 | +2.5 | +2.5 |" in growth_table(growth)
