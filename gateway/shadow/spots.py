"""Where a request differed, as evidence counts it: each place once, whatever the position or the id. Pure."""

from __future__ import annotations

from functools import lru_cache
from itertools import chain, product
from typing import NamedTuple

from gateway.diff.cluster import ANY, template
from gateway.diff.verdict import Kind, Outcome, Verdict
from gateway.shadow.redact import TOKEN


class Spot(NamedTuple):
    """A place that a request counts for. `first` numbers its first mismatch there; noise comes after the rest."""

    outcome: Outcome
    place: str
    kind: Kind
    first: int


def spots_of(verdict: Verdict) -> tuple[Spot, ...]:
    """The places of a redacted verdict's mismatches, then of its noise."""
    found: dict[tuple[Outcome, str, Kind], Spot] = {}
    differing, noisy = product([Outcome.MISMATCHED], verdict.mismatches), product([Outcome.NOISE], verdict.noise)
    for number, (outcome, mismatch) in enumerate(chain(differing, noisy)):
        key = (outcome, _place(mismatch.where), mismatch.kind)
        if key not in found:
            found[key] = Spot(*key, number)
    return tuple(found.values())


@lru_cache(maxsize=4_096)
def _place(where: str) -> str:
    return TOKEN.sub(ANY, template(where))
