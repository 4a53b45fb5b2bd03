"""Callers who wait for a place, first come, first served: so many at most, each for so long at most."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from gateway.relay.trouble import Trouble

T = TypeVar("T")


class Line(Generic[T]):
    """What is given to a caller who leaves in the same turn of the loop goes to `refused`."""

    def __init__(self, refused: Callable[[T], None], *, most: int, wait_s: float) -> None:
        self._refused = refused
        self._most = most
        self._wait_s = wait_s
        self._loop = asyncio.get_running_loop()
        self._places: OrderedDict[asyncio.Future[T | Trouble], None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._places)

    async def stand(self) -> T | Trouble:
        """Wait to be given something; BUSY when the line is full or the time is over."""
        if len(self._places) >= self._most:
            return Trouble.BUSY
        place: asyncio.Future[T | Trouble] = self._loop.create_future()
        self._places[place] = None
        timer = self._loop.call_later(self._wait_s, _send_home, place, Trouble.BUSY)
        try:
            return await place
        except asyncio.CancelledError:
            given = place.result() if place.done() and not place.cancelled() else None
            if given is not None and not isinstance(given, Trouble):
                self._refused(given)
            raise
        finally:
            timer.cancel()
            self._places.pop(place, None)

    def give(self, what: T) -> bool:
        """Give it to the first in line; false when nobody is there."""
        while self._places:
            place, _ = self._places.popitem(last=False)
            if not place.done():
                place.set_result(what)
                return True
        return False

    def dissolve(self, trouble: Trouble) -> None:
        """Send everybody home."""
        for place in self._places:
            _send_home(place, trouble)


def _send_home(place: asyncio.Future[T | Trouble], trouble: Trouble) -> None:
    if not place.done():
        place.set_result(trouble)
