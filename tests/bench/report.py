"""Figures into tables: Markdown, ratios against nginx first, because only they outlive the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median, quantiles

from tests.bench.loads import DIRECT, Load
from tests.bench.rounds import Measured, Slice

BASE = "nginx"
_HEAD = (
    "",
    "x nginx",
    "quartiles",
    "x nginx by CPU",
    "us CPU/request",
    "requests/s",
    "p50 ms",
    "p50 added ms",
    "p99 ms",
    "core",
    "wrong",
)


def tables(measured: Sequence[Measured]) -> Iterator[str]:
    """A table for each load, then one of memory."""
    loads = {one.load.name: one.load for one in measured}
    for load in loads.values():
        yield _table(load, [one for one in measured if one.load.name == load.name])
    yield _memory(measured)


def _table(load: Load, rows: Sequence[Measured]) -> str:
    base = next((row for row in rows if row.front == BASE), None)
    direct = next((row for row in rows if row.front == DIRECT), None)
    ordered = sorted(rows, key=lambda row: -_median(row, _per_s))
    return f"### {load.name}: {load.says}\n\n" + markdown(_HEAD, [_row(row, base, direct) for row in ordered])


def _row(row: Measured, base: Measured | None, direct: Measured | None) -> list[str]:
    speed = _ratios(row, base, _per_s)
    cpu = [1 / ratio for ratio in _ratios(row, base, _cpu_us) if ratio]
    low, high = _quartiles(speed)
    added = (
        []
        if direct is None
        else [mine.p50_ms - theirs.p50_ms for mine, theirs in zip(row.slices, direct.slices, strict=True)]
    )
    return [
        row.front,
        f"{median(speed):.2f}" if speed else "-",
        f"{low:.2f} to {high:.2f}" if speed else "-",
        f"{median(cpu):.2f}" if cpu else "-",
        f"{_median(row, _cpu_us):.0f}",
        f"{_median(row, _per_s):,.0f}",
        f"{_median(row, lambda taken: taken.p50_ms):.3f}",
        f"{median(added):.3f}" if added else "-",
        f"{_median(row, lambda taken: taken.p99_ms):.2f}",
        f"{_median(row, lambda taken: taken.core):.0%}",
        f"{sum(taken.wrong for taken in row.slices):,}",
    ]


def _memory(measured: Sequence[Measured]) -> str:
    most: dict[str, tuple[float, float]] = {}
    for one in measured:
        if one.load.upstream == "nginx" and one.front != DIRECT:
            most[one.front] = max(most.get(one.front, (0.0, 0.0)), one.memory_mb)
    rows = [[name, f"{held:.0f}", f"{largest:.0f}"] for name, (held, largest) in most.items()]
    head = ("", "MB in all", "MB of the largest process")
    return "### Memory: PSS, the most that was seen after a load\n\n" + markdown(head, rows)


def doubts(measured: Sequence[Measured]) -> Iterator[str]:
    """Sentences on slices that others disturbed, and on fronts that gave no answer at all in some slice."""
    slices = [taken for one in measured for taken in one.slices]
    disturbed = sum(not taken.undisturbed for taken in slices)
    if disturbed:
        yield f"other programs or tenants had a part of the cores in {disturbed} of {len(slices)} slices"
    for one in measured:
        silent = sum(not taken.per_s for taken in one.slices)
        if silent:
            yield f"{one.front} answered nothing in {silent} of {len(one.slices)} slices of {one.load.name}"


def markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table as Markdown."""
    cells = list(head)
    lines = [cells, ["---"] * len(cells), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _per_s(taken: Slice) -> float:
    return taken.per_s


def _cpu_us(taken: Slice) -> float:
    return taken.cpu_us


def _median(row: Measured, figure: Callable[[Slice], float]) -> float:
    return median(map(figure, row.slices))


def _ratios(row: Measured, base: Measured | None, figure: Callable[[Slice], float]) -> list[float]:
    """The front's figure by the base's, round by round."""
    if base is None:
        return []
    pairs = zip(row.slices, base.slices, strict=True)
    return [figure(mine) / figure(theirs) for mine, theirs in pairs if figure(theirs)]


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return (values[0], values[0]) if values else (0.0, 0.0)
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high
