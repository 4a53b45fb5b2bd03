"""What a process acts on: one immutable plan of routes and flags, replaced whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.rollout.flag import Flag
from gateway.routing.table import RouteTable


class Source(StrEnum):
    """Where the flags of a plan came from."""

    DEFAULT = "default"  # nobody could be asked: every route is on legacy
    SNAPSHOT = "snapshot"  # the last-known-good file
    DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Plan:
    """Routes and their flags at one moment; a route without a stored flag has the default one (legacy)."""

    table: RouteTable
    flags: Mapping[str, Flag]
    source: Source

    def flag(self, route: str) -> Flag:
        """The flag of a route."""
        return self.flags.get(route) or Flag(route)


@dataclass(slots=True)
class Live:
    """The one place that holds the current plan of this process.

    `fresh` is false while the database cannot be asked: the plan is then the last good one, and
    `/readyz` says so. `why_stale` is a short sentence for people. `draining` is true once it takes no more.
    """

    plan: Plan
    fresh: bool = False
    why_stale: str = field(default="the database has not been asked yet")
    draining: bool = False

    def reroute(self, table: RouteTable) -> None:
        """Put another table in force; the flags stay as they are."""
        self.plan = Plan(table, self.plan.flags, self.plan.source)

    def replace(self, flags: Mapping[str, Flag], source: Source) -> None:
        """Put a new set of flags in force with one assignment."""
        self.plan = Plan(self.plan.table, flags, source)
