"""What a comparison says: mismatches, and one verdict over them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How two values differ; `missing` is on the candidate's side, `extra` on the control's."""

    TYPE = "type"
    VALUE = "value"
    MISSING = "missing"
    EXTRA = "extra"
    ORDER = "order"
    SIZE = "size"
    STATUS = "status"
    HEADER = "header"


class Outcome(StrEnum):
    """The verdict's one word. `allowed` is never counted as `matched`, unreadable never as either."""

    MATCHED = "matched"
    ALLOWED = "allowed"
    MISMATCHED = "mismatched"
    NOISE = "noise"
    NOT_COMPARABLE = "not_comparable"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One difference: its kind, where it is (`status`, `header/NAME`, `body/a/0/b`), and both values.

    The values are JSON texts, cut to a bounded length; None where a side has no value there.
    """

    kind: Kind
    where: str
    control: str | None
    candidate: str | None

    def __reduce__(self) -> tuple[type[Mismatch], tuple[Kind, str, str | None, str | None]]:
        """Pickled as a call: a verdict has hundreds, and by its fields one takes three times as long."""
        return Mismatch, (self.kind, self.where, self.control, self.candidate)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A mismatch that a rule allows, and the reason the rule gives."""

    mismatch: Mismatch
    because: str
    rule: str  # where the rule stands: file:line


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, what still differs, what was allowed, and why when the two could not be compared.

    `noise` is what legacy, asked again, does not agree with itself about; only a recheck finds any. `broken`: not
    comparable because nobody can read the new side's answer, while legacy's can be read.
    """

    outcome: Outcome
    mismatches: tuple[Mismatch, ...] = ()
    allowed: tuple[Allowance, ...] = ()
    reason: str = ""
    noise: tuple[Mismatch, ...] = ()
    broken: bool = False
