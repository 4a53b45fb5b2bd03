"""What a process acts on: one immutable plan of routes and flags, replaced whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from gateway.rollout.decide import Choices
from gateway.rollout.flag import Flag
from gateway.rollout.routed import Routed
from gateway.routing.table import RouteTable


class Source(StrEnum):
    """Where the flags of a plan came from."""

    DEFAULT = "default"  # nobody could be asked: every route is on legacy
    SNAPSHOT = "snapshot"  # the last-known-good file
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Plan:
    """Routes and their flags at one moment; a route without a stored flag has the default one (legacy).

    `panicked` says that this plan sends everything to legacy whatever is known: its flags are empty then,
    and every decision is `PANIC`. `choices` is for whoever decides: without a new side and with one, by route.
    """

    table: RouteTable
    flags: Mapping[str, Flag]
    source: Source
    panicked: bool = False
    choices: tuple[dict[str, Choices[Routed]], dict[str, Choices[Routed]]] = field(
        default_factory=lambda: ({}, {}), init=False, compare=False, repr=False
    )

    def flag(self, route: str) -> Flag:
        """The flag of a route."""
        return self.flags.get(route) or _untouched(route)


@lru_cache(maxsize=16_384)
def _untouched(route: str) -> Flag:
    return Flag(route)


@dataclass(slots=True)
class Live:
    """The one place that holds the current plan of this process.

    `plan` is what requests are decided by, `known` what the database (or the last-known-good file) says:
    the same plan, except during a panic, which no refresh of `known` undoes.
    `fresh` is false while the database cannot be asked: the plan is then the last good one, and
    `/readyz` says so. `why_stale` is a short sentence for people. `draining` is true once it takes no more.
    """

    plan: Plan
    fresh: bool = False
    why_stale: str = field(default="the database has not been asked yet")
    draining: bool = False
    known: Plan = field(init=False)

    def __post_init__(self) -> None:
        self.known = self.plan

    def reroute(self, table: RouteTable) -> None:
        """Put another table in force; the flags stay as they are."""
        self._know(Plan(table, self.known.flags, self.known.source))

    def replace(self, flags: Mapping[str, Flag], source: Source) -> None:
        """Put a new set of flags in force with one assignment; during a panic they take force after it."""
        self._know(Plan(self.known.table, flags, source))

    def panic(self, wanted: bool) -> bool:
        """Send everything to legacy, or no more; False when that is so already."""
        if self.plan.panicked is wanted:
            return False
        self.plan = _all_on_legacy(self.known) if wanted else self.known
        return True

    def _know(self, known: Plan) -> None:
        self.known = known
        self.plan = _all_on_legacy(known) if self.plan.panicked else known


def _all_on_legacy(known: Plan) -> Plan:
    return Plan(known.table, {}, known.source, panicked=True)
