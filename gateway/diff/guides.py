"""What the rules, and what legacy does by itself, say of how a walk goes. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.diff.pattern import Place
from gateway.diff.rules import Circumstances, Rules
from gateway.diff.value import Found


@dataclass(frozen=True, slots=True)
class ByRules:
    """Walks as the rules of a route say; `shuffled` adds arrays whose order legacy does not keep."""

    rules: Rules
    at: Circumstances
    shuffled: Callable[[Place], bool] | None = None

    def unordered(self, place: Place) -> bool:
        """Whether a rule in force, or legacy itself, says so."""
        return (self.shuffled is not None and self.shuffled(place)) or self.rules.unordered(place, self.at)

    def keys(self, place: Place) -> tuple[Place, ...]:
        """As the route says."""
        return self.rules.keys(place) if self.rules.arrays else ()

    def whole(self, place: Place, control: Found, candidate: Found) -> bool:
        """Where a rule reads both as a whole."""
        return self.rules.whole(place, control, candidate, self.at)


@dataclass(frozen=True, slots=True)
class Orderless:
    """Walks as if order meant nothing anywhere."""

    rules: Rules

    def unordered(self, place: Place) -> bool:
        """Everywhere."""
        return True

    def keys(self, place: Place) -> tuple[Place, ...]:
        """As the route says."""
        return self.rules.keys(place)

    def whole(self, place: Place, control: Found, candidate: Found) -> bool:
        """Nowhere: a rule says what is allowed, not what legacy does."""
        return False
