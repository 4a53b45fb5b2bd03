"""How long others wait for an app. The time runs only while it is the app's turn, never while a client is slow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from functools import lru_cache
from typing import Final

TICK_S: Final = 0.05  # how exactly the times are kept


class Patience:
    """Gives up when somebody has waited for the app too long; a new wait ends the one before."""

    __slots__ = ("_clock", "_excuses", "_seconds", "until")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._clock = _clock(loop)
        self._seconds: float | None = None
        self._excuses = 0
        self.until = 0.0  # when the time is up, by the loop's clock, while it runs

    def give_up(self) -> None:
        """Nobody waits any longer."""
        raise NotImplementedError

    def await_it(self, seconds: float) -> None:
        """Somebody waits for the app."""
        self._seconds = seconds
        if not self._excuses:
            self._clock.watch(self, seconds)

    def await_no_more(self) -> None:
        """Nobody waits any more."""
        if self._seconds is not None:
            self._seconds = None
            self._clock.forget(self)

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
        if self._seconds is not None and not self._excuses:
            self._clock.watch(self, self._seconds)
        else:
            self._clock.forget(self)


class _Clock:
    """One coarse clock for every call of a loop, instead of a timer for each."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: set[Patience] = set()
        self._ticking = False

    def watch(self, patience: Patience, seconds: float) -> None:
        patience.until = self._loop.time() + seconds
        self._running.add(patience)
        if not self._ticking:
            self._ticking = True
            self._loop.call_later(min(seconds, TICK_S), self._tick, context=Context())

    def forget(self, patience: Patience) -> None:
        self._running.discard(patience)

    def _tick(self) -> None:
        now = self._loop.time()
        for patience in [one for one in self._running if one.until <= now]:
            self._running.discard(patience)
            patience.give_up()
        self._ticking = bool(self._running)
        if self._ticking:
            self._loop.call_later(TICK_S, self._tick)


@lru_cache(maxsize=2)
def _clock(loop: asyncio.AbstractEventLoop) -> _Clock:
    return _Clock(loop)
