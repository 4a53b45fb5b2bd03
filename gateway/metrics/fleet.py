"""The figures of all workers as one process's: what a worker has counted stays counted after it has ended.

Without that a counter would fall when a worker is replaced, and every rate over it would show a burst.
"""

from __future__ import annotations

from gateway.metrics.snapshot import Snapshot, lasting, merge


class Fleet:
    """Kept by the process that has the workers; the name of a worker is its process id or any other number."""

    def __init__(self) -> None:
        self._latest: dict[int, Snapshot] = {}
        self._past: Snapshot = {}

    def told(self, worker: int, snapshot: Snapshot) -> None:
        """A worker's newest figures take the place of its older ones."""
        self._latest[worker] = snapshot

    def gone(self, worker: int) -> None:
        """A worker has ended: its counts stay, its gauges go."""
        last = self._latest.pop(worker, None)
        if last is not None:
            self._past = merge([self._past, lasting(last)])

    def merged(self) -> Snapshot:
        """The figures of all."""
        return merge([self._past, *self._latest.values()])
