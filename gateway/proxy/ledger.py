"""Takes down how requests ended: figures for everyone, a line of the access log for a sample.

`ended` is on the path of every request and stays a few dictionary look-ups; everything else happens when somebody
asks for the figures. It knows routes by their keys, never a path or a header: what it keeps is bounded.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import add
from random import random
from typing import Final

from gateway.metrics.catalogue import BOUNDS, CONNECTIONS, REQUESTS, SECONDS, WEBSOCKETS
from gateway.metrics.snapshot import Snapshot
from gateway.proxy.access_log import Line
from gateway.proxy.unanswered import Open

NO_ROUTE: Final = "-"  # no route key begins like this
OTHER: Final = "(other)"
MOST_ROUTES: Final = 1_000  # with series of their own; a scrape of more would weigh more than it tells


_CLASSES: Final = range(1, 6)


@dataclass(frozen=True, slots=True)
class Totals:
    """A route's requests to one side since the start: how many, how many of them were 5xx, how long by bucket.

    `failed_times` are those of the 5xx among `times`.
    """

    answered: int
    failed: int
    times: tuple[int, ...]
    failed_times: tuple[int, ...]


class _Times:
    """A histogram under way."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0


class _Cell:
    """Requests of one kind."""

    __slots__ = ("count", "times")

    def __init__(self, times: _Times) -> None:
        self.count = 0
        self.times = times


class Ledger:
    """The figures of one process; `share` of all requests, from 0 to 1, also make a line for `write`."""

    __slots__ = ("_cells", "_routes", "_share", "_times", "_write", "connections", "entered", "websockets")

    def __init__(self, *, share: float = 0.0, write: Callable[[Line], None] | None = None) -> None:
        self._share = 0.0 if write is None else share
        self._write = write
        self._cells: dict[tuple[str, str, str, int], _Cell] = {}
        self._times: dict[tuple[str, str], tuple[_Times, _Times]] = {}  # of the 5xx, and of all others
        self._routes: set[str] = set()
        self.connections = 0  # open now; who has the server sets it when somebody asks for the figures
        self.websockets = 0  # the fronts add and take away
        self.entered: set[Open] = set()  # on the app's way, and not over

    def ended(self, route: str, stage: str, side: str, status: int, seconds: float) -> None:
        """A request is over. `route` is its key or "", `side` whose it was as decided, `seconds` its whole time."""
        try:
            cell = self._cells[route, stage, side, status // 100]
        except KeyError:
            cell = self._new_cell(route, stage, side, status // 100)
        cell.count += 1
        times = cell.times
        times.seconds += seconds
        times.buckets[bisect_left(BOUNDS, seconds)] += 1

    def wants_line(self) -> bool:
        """Whether this request is one of those that the access log shows."""
        return self._share > 0.0 and random() < self._share  # noqa: S311 - a sample, not a secret

    def line(self, line: Line) -> None:
        """Hand a line to the access log; never waits."""
        if self._write is not None:
            self._write(line)

    def rows(self) -> Snapshot:
        """The figures as rows of a snapshot."""
        requests: dict[tuple[str, str, str, str], float] = {}
        for (route, stage, side, status), cell in list(self._cells.items()):
            labels = (self._label(route), stage, side, f"{status}xx")
            requests[labels] = requests.get(labels, 0.0) + cell.count
        return {
            REQUESTS.name: [([*labels], [count]) for labels, count in requests.items()],
            SECONDS.name: [
                ([*labels], [*_joined(both), sum(times.seconds for times in both)])
                for labels, both in list(self._times.items())
            ],
            CONNECTIONS.name: [([], [self.connections])],
            WEBSOCKETS.name: [([], [self.websockets])],
        }

    def totals(self, route: str, side: str, stages: Iterable[str]) -> Totals:
        """The requests of a route to a side in these stages; its times are of every stage."""
        classes = [0] * (len(_CLASSES) + 1)
        for stage in stages:
            for status in _CLASSES:
                cell = self._cells.get((route, stage, side, status))
                classes[status] += 0 if cell is None else cell.count
        both = self._times.get((self._label(route), side)) or (_Times(), _Times())
        return Totals(sum(classes), classes[-1], _joined(both), tuple(both[0].buckets))

    def _new_cell(self, route: str, stage: str, side: str, status: int) -> _Cell:
        if len(self._routes) < MOST_ROUTES:
            self._routes.add(route)
        both = self._times.setdefault((self._label(route), str(side)), (_Times(), _Times()))
        cell = self._cells[route, str(stage), str(side), status] = _Cell(both[status != _CLASSES[-1]])
        return cell

    def _label(self, route: str) -> str:
        if not route:
            return NO_ROUTE
        return route if route in self._routes else OTHER


def _joined(both: tuple[_Times, _Times]) -> tuple[int, ...]:
    """The counts of both, bucket by bucket."""
    return tuple(map(add, both[0].buckets, both[1].buckets))
