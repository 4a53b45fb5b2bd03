"""Copies that wait for a lane, route by route: the routes take turns, and none has every lane or all the room.

A side that is slow on one route would otherwise keep the copies of all others waiting. Of a route the last that came
is the next: where more come than are compared, what is found is of now, and a route is taken back for it at once.
It knows neither clock nor loop; the moments are the caller's, in seconds of one clock.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final, NamedTuple

from gateway.shadow.job import Job
from gateway.shadow.pauses import Later

LONGEST_S: Final = 60.0  # an answer that is older is not worth comparing: too much has been written since


class Waiting(NamedTuple):
    """A job that weighs `size` bytes, since when it waits, and what is left to do for it where that was begun."""

    job: Job
    size: int
    since: float
    later: Later | None = None


class WaitingRoom:
    """Room for `most` jobs and their `most_bytes`, for so many lanes; a route has three quarters of each at most."""

    def __init__(self, lanes: int, most: int, most_bytes: int) -> None:
        self._lanes_of_one = max(lanes - lanes // 4, 1)
        self._most, self._most_of_one = most, max(most - most // 4, 1)
        self._bytes_of_one = most_bytes - most_bytes // 4
        self._routes: dict[str, deque[Waiting]] = {}  # of those with jobs here, the first is the next
        self._under_way: Counter[str] = Counter()
        self._held: Counter[str] = Counter()  # bytes, of what waits and of what is under way
        self._number = 0

    def __len__(self) -> int:
        """How many jobs wait."""
        return self._number

    def is_full(self, route: str) -> bool:
        """Whether there is no room for another job of a route."""
        return self._number >= self._most or len(self._routes.get(route, ())) >= self._most_of_one

    def is_too_heavy(self, route: str, size: int) -> bool:
        """Whether a route would hold more bytes than it may; one job is never too heavy for that."""
        held = self._held[route]
        return held > 0 and held + size > self._bytes_of_one

    def enter(self, job: Job, size: int, now: float, later: Later | None = None) -> None:
        """Wait for a lane."""
        self._routes.setdefault(job.route, deque()).append(Waiting(job, size, now, later))
        self._held[job.route] += size
        self._number += 1

    def next(self, now: float) -> Waiting | None:
        """Whose turn it is, which is under way from now on; None where nobody waits that may have another lane.

        Who has waited longer than anybody should goes before the others, to be dropped.
        """
        route = next((route for route in self._routes if self._under_way[route] < self._lanes_of_one), None)
        if route is None:
            return None
        jobs = self._routes.pop(route)
        found = jobs.popleft() if now - jobs[0].since > LONGEST_S else jobs.pop()
        if jobs:
            self._routes[route] = jobs  # behind the others
        self._number -= 1
        self._under_way[route] += 1
        return found

    def empty(self) -> list[Waiting]:
        """Everybody who waits, and waits no longer."""
        everybody = [waiting for jobs in self._routes.values() for waiting in jobs]
        self._routes.clear()
        self._held.clear()
        self._number = 0
        return everybody

    def leave(self, job: Job, size: int) -> None:
        """One that was under way is over."""
        for counted, number in ((self._under_way, 1), (self._held, size)):
            counted[job.route] -= number
            if counted[job.route] <= 0:
                del counted[job.route]
