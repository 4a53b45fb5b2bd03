"""Rules: which differences are allowed, where, why and until when. They allow; they never change a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from gateway.diff.pattern import Pattern, Place
from gateway.diff.readers import DEFAULT_KINDS, WHOLE, Reading, agree
from gateway.diff.value import Found
from gateway.diff.verdict import Kind


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference before any rule was asked, with the values themselves."""

    kind: Kind
    place: Place
    control: Found
    candidate: Found


@dataclass(frozen=True, slots=True)
class Scope:
    """To which answers a rule is limited; None and the empty set are no limit.

    `cases` names contract cases: a rule limited to some never allows anything on live traffic.
    """

    legacy: int | None = None
    new: int | None = None
    cases: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of the two answers while their differences are judged."""

    legacy: int | None
    new: int | None
    today: date
    case: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """An allowed difference; `origin` is where it stands (file:line), `until` its last day."""

    where: Pattern
    kinds: frozenset[Kind]
    because: str
    owner: str
    until: date
    origin: str
    reading: Reading | None = None
    scope: Scope = field(default_factory=Scope)

    def covers(self, difference: Difference, at: Circumstances) -> bool:
        """Whether the rule is about this difference, be it in force or expired."""
        scope = self.scope
        if difference.kind not in self.kinds or not self.where.matches(difference.place):
            return False
        if scope.legacy not in (None, at.legacy) or scope.new not in (None, at.new):
            return False
        if scope.cases and at.case not in scope.cases:
            return False
        return self.reading is None or agree(self.reading, difference.control, difference.candidate)

    def expired(self, today: date) -> bool:
        """Whether the rule's last day is over."""
        return self.until < today


def kinds_for(reading: Reading | None, kinds: Iterable[Kind], where: Pattern) -> frozenset[Kind]:
    """The kinds a rule is about: those it names, else those that fit how and where it looks."""
    named = frozenset(kinds)
    if named:
        return named
    if where.segments[0] == "header":
        return frozenset({Kind.HEADER})
    if where.segments[0] == "status":
        return frozenset({Kind.STATUS})
    return DEFAULT_KINDS[reading] if reading else frozenset()


@dataclass(frozen=True, slots=True)
class Keyed:
    """Which elements of an array belong together: those with the same values at these places below each."""

    where: Pattern
    by: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one route, in the order of their file; the first that covers a difference decides.

    `headers` names further headers to compare, in lower case, beside those that always are. `arrays` allow
    nothing: they say how elements are paired before anything is compared.
    """

    rules: tuple[Rule, ...] = ()
    headers: frozenset[str] = frozenset()
    arrays: tuple[Keyed, ...] = ()

    def unordered(self, place: Place, at: Circumstances) -> bool:
        """Whether the order of the array at this place is allowed to differ."""
        return any(
            rule.reading is Reading.UNORDERED
            and not rule.expired(at.today)
            and rule.covers(Difference(Kind.ORDER, place, None, None), at)
            for rule in self.rules
        )

    def keys(self, place: Place) -> tuple[Place, ...]:
        """By what the elements of the array at this place are paired; empty for by their likeness."""
        return next((keyed.by for keyed in self.arrays if keyed.where.matches(place)), ())

    def whole(self, place: Place, control: Found, candidate: Found, at: Circumstances) -> bool:
        """Whether a rule, in force or expired, reads the two objects at this place as a whole."""
        readers = [rule for rule in self.rules if rule.reading in WHOLE]
        difference = Difference(Kind.VALUE, place, control, candidate) if readers else None
        return difference is not None and any(rule.covers(difference, at) for rule in readers)

    def judge(self, difference: Difference, at: Circumstances) -> tuple[Rule | None, Rule | None]:
        """The rule that allows a difference, and else the expired one that would have."""
        expired: Rule | None = None
        for rule in self.rules:
            if rule.covers(difference, at):
                if not rule.expired(at.today):
                    return rule, None
                expired = expired or rule
        return None, expired
