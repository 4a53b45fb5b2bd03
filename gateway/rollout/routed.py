"""Who answers a request, and by which route and flag. It knows no request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.rollout.decide import NO_ROUTE, PANIC, Choices, Decision
from gateway.rollout.flag import Flag
from gateway.routing.route import Route


@dataclass(frozen=True, slots=True)
class Routed:
    """The route of a request with its flag, both None when it has none, and who answers it.

    `key` is the route's and `stage` the flag's, both empty without a route. `tester` says that the request carries an
    override token, whatever came of it, and `ignored` why that is not valid.
    """

    route: Route | None
    flag: Flag | None
    decision: Decision
    key: str = ""
    stage: str = ""
    tester: bool = False
    ignored: str = ""


UNROUTED: Final = Routed(None, None, NO_ROUTE)
PANICKED: Final = Routed(None, None, PANIC)


def choices_of(route: Route, flag: Flag, *, has_new: bool) -> Choices[Routed]:
    """All that can become of a route's requests under a flag."""
    key, stage = route.key, flag.stage
    return Choices(route, flag, lambda decision: Routed(route, flag, decision, key, stage), has_new=has_new)
