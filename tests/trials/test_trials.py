"""The trials that fit into seconds, made small: what they look at is looked at in every run of the tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gateway.proxy.server import FRONTS, Front
from tests.trials import clients, streams
from tests.trials.clients import Pair, browser_backends
from tests.trials.ends import ends
from tests.trials.streams import LEAVING
from tests.trials.verdict import Verdict

MIB = 1 << 20


def all_held(verdicts: list[Verdict]) -> None:
    """Each was as wanted."""
    assert [str(verdict) for verdict in verdicts if not verdict.held] == []
    assert verdicts


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("way", [streams.up, streams.down], ids=["up", "down"])
def test_whoever_sends_is_held_back_while_nobody_takes(front: Front, way: streams.Way) -> None:
    """A hundred megabytes to an end that does not read make nothing grow, and arrive once it does."""
    with ends(front) as both:
        all_held(list(way(both, 100 * MIB, 0.5)))


@pytest.mark.parametrize("front", FRONTS)
def test_an_end_that_leaves_takes_the_other_along(front: Front) -> None:
    """Waiting, uploading, answering, stalled or not: the other end hears of it within a second."""
    with ends(front) as both:
        took = {what: leave(both) for what, leave in LEAVING.items()}
    assert [what for what, seconds in took.items() if seconds > streams.GONE_S] == []


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Two backends that answer the same."""
    with browser_backends() as both:
        yield both


@pytest.mark.parametrize("front", FRONTS)
def test_browsers_clients_do_not_notice_flips(front: Front, pair: Pair) -> None:
    """fetch, EventSource and tus see through the gateway what they see without it, while flags flip."""
    all_held(list(clients.compared(front, pair, ["while flags flip"])))
