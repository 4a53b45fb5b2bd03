"""How long others wait for an app. The time runs only while it is the app's turn, never while a client is slow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Patience:
    """Calls `give_up` when somebody has waited for the app too long; a new wait ends the one before."""

    def __init__(self, give_up: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._give_up = give_up
        self._seconds: float | None = None
        self._excuses = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, seconds: float) -> None:
        """Somebody waits for the app."""
        self._seconds = seconds
        self._set()

    def end(self) -> None:
        """Nobody waits any more."""
        self._seconds = None
        self._set()

    @contextmanager
    def excused(self) -> Iterator[None]:
        """For as long as the block runs the app waits itself; after it the time begins anew."""
        self._excuses += 1
        self._set()
        try:
            yield
        finally:
            self._excuses -= 1
            self._set()

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._seconds is not None and not self._excuses:
            self._timer = self._loop.call_later(self._seconds, self._give_up)
