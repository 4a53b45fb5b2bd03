"""The figures that are wanted of the gateway, as a table: floor, aim, what was seen, and whether that is enough.

A row whose load was not measured says so; a load with wrong answers is no figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from tests.bench.growth import Growth
from tests.bench.loads import DIRECT, HANDLER
from tests.bench.report import BASE, markdown
from tests.bench.rounds import Measured, Slice

EDGE: Final = "strangler"


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was measured; `lookup_us` is one lookup among 10,000 routes."""

    measured: Sequence[Measured]
    growth: Sequence[Growth]
    lookup_us: float

    def ratio(self, load: str, *, front: str = EDGE, base: str = BASE) -> float | None:
        """Requests a second: the median, over the rounds, of the front's by the base's."""
        pairs = self._rounds(load, front, base)
        if any(mine.wrong for mine, _ in pairs):
            return None
        ratios = [mine.per_s / theirs.per_s for mine, theirs in pairs if theirs.per_s]
        return median(ratios) if ratios else None

    def added(self, load: str, base: str, figure: Callable[[Slice], float], *, front: str = EDGE) -> float | None:
        """The median, over the rounds, of how much larger a figure of a front is than the base's."""
        pairs = self._rounds(load, front, base)
        return median(figure(mine) - figure(theirs) for mine, theirs in pairs) if pairs else None

    def grown_mb(self) -> float | None:
        """The most that the edge grew by in the four cases of 1 GB."""
        return next((one.most_mb for one in self.growth if one.front == EDGE), None)

    def _rounds(self, load: str, front: str, base: str) -> list[tuple[Slice, Slice]]:
        slices = {one.front: one.slices for one in self.measured if one.load.name == load}
        return list(zip(slices.get(front, ()), slices.get(base, ()), strict=front in slices and base in slices))


def _p50(taken: Slice) -> float:
    return taken.p50_ms


def _cpu(taken: Slice) -> float:
    return taken.cpu_us


@dataclass(frozen=True, slots=True)
class _Wanted:
    what: str
    floor: float
    aim: float
    look: Callable[[Seen], float | None]
    unit: str = ""
    at_most: bool = False
    beside: Callable[[Seen], str] = lambda _: ""

    def reached(self, seen: float, bound: float) -> str:
        return "yes" if (seen <= bound if self.at_most else seen >= bound) else "no"


def _ratio(what: str, floor: float, aim: float, load: str, front: str = EDGE, base: str = BASE) -> _Wanted:
    return _Wanted(f"{load}: {what}", floor, aim, lambda seen: seen.ratio(load, front=front, base=base))


def _p50_added(what: str, load: str) -> _Wanted:
    def beside(seen: Seen) -> str:
        nginx = seen.added(load, DIRECT, _p50, front=BASE)
        return "" if nginx is None else f"nginx adds {nginx:.2f} ms"

    return _Wanted(what, 0.12, 0.07, lambda seen: seen.added(load, DIRECT, _p50), "ms", at_most=True, beside=beside)


WANTED: Final = (
    _ratio("1 KB GET, 64 connections, x nginx", 0.40, 0.55, "get-64"),
    _ratio("x http-proxy-middleware (warm)", 6, 9, "get-64", base="hpm"),
    _ratio("x @fastify/http-proxy (warm)", 2.5, 4, "get-64", base="fastify"),
    _ratio("x Caddy", 1.5, 2, "get-64", base="caddy"),
    _ratio("the ASGI front, x nginx", 0.25, 0.35, "get-64", front="strangler-asgi"),
    _p50_added("get-1: p50 added at 1 connection", "get-1"),
    _p50_added("get-1-core: the same with all on one core", "get-1-core"),
    _ratio("100 KB answers, x nginx", 0.7, 0.9, "down-100k"),
    _ratio("100 KB uploads, x nginx", 0.7, 0.9, "post-100k"),
    _ratio("10 MB answers, x nginx", 0.9, 1.15, "down-10m"),
    _ratio("10 MB uploads, x nginx", 0.9, 1.15, "post-10m"),
    _ratio("1,000 connections, x nginx, no error", 0.40, 0.5, "get-1000"),
    _Wanted("memory growth over the four 1 GB cases", 8, 2, Seen.grown_mb, "MB", at_most=True),
    _Wanted("lookup among 10,000 routes", 4, 2, lambda seen: seen.lookup_us, "us", at_most=True),
    _Wanted(
        "canary-own: canary at 50 %, in-process handler of 1 KB: the gateway's own share",
        30,
        15,
        lambda seen: seen.added("canary-own", HANDLER, _cpu),
        "us CPU",
        at_most=True,
    ),
)


def table(seen: Seen) -> str:
    """The figures wanted, each with what was seen in this run."""
    head = ("wanted", "floor", "aim", "seen", "floor reached", "aim reached", "beside")
    return "### Figures wanted\n\n" + markdown(head, map(list, _rows(seen)))


def growth_table(growth: Sequence[Growth]) -> str:
    """What each front grew by in each case of 1 GB."""
    cases = [*growth[0].cases] if growth else []
    rows = [
        [one.front, f"{one.before_mb:.0f}", *(f"{one.cases[case]:+.1f}" for case in cases), f"{one.most_mb:+.1f}"]
        for one in growth
    ]
    head = ("", "MB before", *cases, "at most")
    return "### Memory over 1 GB: growth of the largest process, resident, MB\n\n" + markdown(head, rows)


def _rows(seen: Seen) -> Iterator[tuple[str, ...]]:
    for one in WANTED:
        value, sign = one.look(seen), "at most " if one.at_most else ""
        unit = f" {one.unit}" if one.unit else ""
        bounds = (f"{sign}{one.floor:g}{unit}", f"{sign}{one.aim:g}{unit}")
        if value is None:
            yield one.what, *bounds, "not measured, or with wrong answers", "-", "-", ""
        else:
            reached = (one.reached(value, one.floor), one.reached(value, one.aim))
            yield one.what, *bounds, f"{value:.2f}{unit}", *reached, one.beside(seen)
