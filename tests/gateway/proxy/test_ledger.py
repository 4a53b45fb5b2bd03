"""The ledger counts how requests ended, and what it keeps does not grow with what clients send."""

from gateway.message import Side
from gateway.metrics.catalogue import REQUESTS, SECONDS
from gateway.proxy.access_log import Line
from gateway.proxy.ledger import MOST_ROUTES, NO_ROUTE, OTHER, Ledger
from gateway.rollout.stage import Stage


def test_requests_are_told_by_route_stage_side_and_class() -> None:
    """Statuses of one class are one row; a request without a route has a label no route can have."""
    ledger = Ledger()
    ledger.ended("lots.list", Stage.CANARY, Side.NEW, 200, 0.2)
    ledger.ended("lots.list", Stage.CANARY, Side.NEW, 204, 0.2)
    ledger.ended("lots.list", "canary", "legacy", 500, 0.2)
    ledger.ended("", "", "none", 400, 0.0)
    assert sorted(ledger.rows()[REQUESTS.name]) == [
        ([NO_ROUTE, "", "none", "4xx"], [1]),
        (["lots.list", "canary", "legacy", "5xx"], [1]),
        (["lots.list", "canary", "new", "2xx"], [2]),
    ]


def test_a_time_on_a_bound_belongs_below_it() -> None:
    """`le` means less or equal, as Prometheus has it."""
    ledger = Ledger()
    for seconds in (0.0005, 0.00051, 60.0, 61.0):
        ledger.ended("a", "legacy", "legacy", 200, seconds)
    ((_, numbers),) = ledger.rows()[SECONDS.name]
    assert (numbers[0], numbers[1], numbers[-3], numbers[-2]) == (1, 1, 1, 1)


def test_ten_thousand_routes_do_not_make_ten_thousand_series() -> None:
    """Routes beyond the first thousand that see traffic share one label, and none of their requests is lost."""
    ledger = Ledger()
    for number in range(MOST_ROUTES + 50):
        for _ in range(2):
            ledger.ended(f"r{number}", "legacy", "legacy", 200, 0.01)
    rows = {labels[0]: count for labels, (count,) in ledger.rows()[REQUESTS.name]}
    assert len(rows) == MOST_ROUTES + 1
    assert rows[OTHER] == 100
    assert len(ledger.rows()[SECONDS.name]) == MOST_ROUTES + 1


def test_the_share_says_who_gets_a_line() -> None:
    """None without a share or a writer, all with a share of one, about half with a half."""
    kept: list[Line] = []
    assert not any(Ledger(share=1.0).wants_line() for _ in range(100))
    assert not any(Ledger(share=0.0, write=kept.append).wants_line() for _ in range(100))
    assert all(Ledger(share=1.0, write=kept.append).wants_line() for _ in range(100))
    half = Ledger(share=0.5, write=kept.append)
    assert 300 < sum(half.wants_line() for _ in range(1_000)) < 700
