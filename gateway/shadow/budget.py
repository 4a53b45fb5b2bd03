"""Counts the bytes that copies and findings hold. Whoever gets none drops what it has: nothing here waits."""

from __future__ import annotations


class Budget:
    """So many bytes at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0

    def take(self, size: int) -> bool:
        """Hold so many bytes more; False, and nothing is held, when that would be too many."""
        if self.held + size > self._limit:
            return False
        self.held += size
        return True

    def give(self, size: int) -> None:
        """Hold so many bytes less."""
        self.held -= size
