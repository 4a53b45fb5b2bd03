"""Which of the flags that the database holds may take force here. Pure.

A version never goes back by itself: when it does, an older backup was restored, and callers who are on the
new side would be sent back to data they have already left. The newer flag stays until an operator says more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.rollout.flag import Flag
from gateway.rollout.plan import Live


@dataclass(frozen=True, slots=True)
class Accepted:
    """The flags to put in force, and the version the database has of each route that went back there."""

    flags: dict[str, Flag]
    went_back: dict[str, int]


def accept(
    stored: Mapping[str, Flag], *, before: Mapping[str, Flag], now: Mapping[str, Flag], went_back: Mapping[str, int]
) -> Accepted:
    """Join what the database says with what is in force.

    `before` was in force when the database was asked, `now` is at this moment: a flag that this process
    flipped in between is newer than the answer, and nothing has gone back. `went_back` is what the last call
    returned: a version that has grown since then is an operator's change, made after the restore.
    """
    flags = dict(stored)
    older: dict[str, int] = {}
    for route, held in now.items():
        version = stored[route].version if route in stored else 0
        if version >= held.version or version > went_back.get(route, held.version):
            continue
        flags[route] = held
        if route in before and version < before[route].version:
            older[route] = version
    return Accepted(flags, older)


def put_in_force(live: Live, flag: Flag) -> None:
    """Let this process act on a flag it has just changed, unless it already knows a newer one."""
    if live.known.flag(flag.route).version < flag.version:
        live.replace({**live.known.flags, flag.route: flag}, live.known.source)
