"""The gateway's pure parts alone: finding a route, comparing two answers. One process on one core, no sockets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from statistics import median
from timeit import Timer
from typing import Any, Final

from gateway.diff.compare import compare
from gateway.diff.rules import Rules
from gateway.message import Observation, Side
from tests.bench import lookup
from tests.bench.loads import KB
from tests.bench.process import FRONT_CORE
from tests.bench.report import markdown

_REPEATS: Final = 7
_TODAY: Final = datetime.now(UTC).date()


def run() -> str:
    """A table of the median times."""
    pin()
    return markdown(("", "us"), ([name, f"{time_us(call):,.1f}"] for name, call in _subjects()))


def pin() -> None:
    """Stay on one core from now on."""
    os.sched_setaffinity(0, {FRONT_CORE})


def time_us(call: Callable[[], object]) -> float:
    """The median time of a call."""
    timer = Timer(call)
    count, _ = timer.autorange()
    return median(timer.repeat(_REPEATS, count)) / count * 1e6


def _subjects() -> Iterator[tuple[str, Callable[[], object]]]:
    yield from lookup.subjects()
    rows = _rows()
    other = [{**row, "weight": row["weight"] + (number == 150)} for number, row in enumerate(rows)]
    left, same, different = _answer(Side.LEGACY, rows), _answer(Side.NEW, rows), _answer(Side.NEW, other)
    spaced = _answer(Side.NEW, rows, separators=(", ", ": "))
    yield "compare, 100 KB of JSON, equal bytes", lambda: _judge(left, same)
    yield "compare, 100 KB of JSON, equal values in other bytes", lambda: _judge(left, spaced)
    yield "compare, 100 KB of JSON, one value differs", lambda: _judge(left, different)


def _judge(left: Observation, right: Observation) -> object:
    return compare(left, right, Rules(), today=_TODAY)


def _rows() -> list[dict[str, Any]]:
    """Rows of a list endpoint that come to about 100 KB."""
    row = {"code": "RAW-9", "status": "released", "weight": 12.5, "tags": ["a", "b"], "parent": {"id": 7, "at": None}}
    size = len(json.dumps({"id": 1_000, "note": "", **row}, separators=(",", ":")))
    return [{"id": number, "note": "x" * 200, **row} for number in range(100 * KB // (size + 200))]


def _answer(side: Side, rows: object, separators: tuple[str, str] = (",", ":")) -> Observation:
    body = json.dumps(rows, separators=separators).encode()
    headers = ((b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()))
    return Observation(side, 200, headers, body, 1.0)
