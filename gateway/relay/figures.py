"""What a pool shows to the outside: values, made when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.relay.breaker import State


@dataclass(frozen=True, slots=True)
class AddressFigures:
    """One address: its name, its breaker's state and how often that has opened, connections open or being made."""

    name: str
    state: State
    opened: int
    connections: int


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """A pool at one moment.

    `misses` counts, by cause, connections and answers that did not come; `shed` counts, by trouble, the callers who
    were sent home without a connection being tried.
    """

    busy: int
    idle: int
    connecting: int
    waiting: int
    opened_total: int
    shed: Mapping[str, int]
    misses: Mapping[str, int]
    addresses: tuple[AddressFigures, ...]
