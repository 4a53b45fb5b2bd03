"""What workers say of themselves, read as hostile input: a worker runs other people's handlers."""

from __future__ import annotations

from typing import Any, Final

from gateway.metrics.catalogue import METRICS
from gateway.metrics.snapshot import Row, Snapshot

MOST_ROWS: Final = 200_000  # of one metric; a thousand routes by stage, side and status are a tenth of it
LONGEST: Final = 200  # characters of a sentence

_SAID: Final[dict[str, type]] = {
    "fresh": bool, "source": str, "why_stale": str, "newest_version": int, "routes": int, "panic": bool, "changes": int,
}  # fmt: skip


def figures_of(said: object) -> Snapshot | None:
    """A worker's figures; None when they are not rows of known metrics."""
    if not isinstance(said, dict):
        return None
    found: Snapshot = {}
    for name, rows in said.items():
        metric = METRICS.get(name)
        if metric is None:
            continue  # of another version
        if not isinstance(rows, list) or len(rows) > MOST_ROWS:
            return None
        found[name] = [row for row in (_row(one, len(metric.labels)) for one in rows) if row is not None]
    return found


def status_of(said: object) -> dict[str, Any]:
    """What /readyz shows of a worker; what is not of its kind is left out."""
    if not isinstance(said, dict):
        return {}
    found = {name: said[name] for name, kind in _SAID.items() if type(said.get(name)) is kind}
    return {name: value[:LONGEST] if isinstance(value, str) else value for name, value in found.items()}


def _row(said: object, labels: int) -> Row | None:
    if not isinstance(said, list) or len(said) != 2:
        return None
    names, numbers = said
    if not isinstance(names, list) or not isinstance(numbers, list) or len(names) != labels:
        return None
    if not all(isinstance(name, str) for name in names) or not all(type(one) in (int, float) for one in numbers):
        return None
    return names, numbers
