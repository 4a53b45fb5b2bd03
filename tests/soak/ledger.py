"""What the soak has counted: the four figures that must be zero with their first examples, and what went on besides."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

EXAMPLES: Final = 10
_RECOVERY_S: Final = 5.0  # after legacy is back: its breaker opens for a second at first, then for two


class Wrong(Enum):
    """What must not happen."""

    LOST = "lost"
    DOUBLED = "doubled"
    CROSSED = "crossed"
    CUT = "cut"


@dataclass(slots=True)
class Ledger:
    """All that is counted in one run."""

    began: float = field(default_factory=time.monotonic)
    restarted: list[float] = field(default_factory=list)  # when the gateway's successors were ready, for examples
    wrong: Counter[Wrong] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    copies: int = 0
    outages: list[tuple[float, float]] = field(default_factory=list)

    def note(self, wrong: Wrong, sentence: str) -> None:
        """Count what must not happen; the first few are kept as examples."""
        self.wrong[wrong] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{wrong.value} at {time.monotonic() - self.began:.1f} s: {sentence}")

    def see_unsafe(self, name: str, *, side: str, copied: bool) -> None:
        """A side has read the head of a request that may be asked once only."""
        self.seen[name] += 1
        if copied:
            self.note(Wrong.DOUBLED, f"{name} was copied to {side}")
        elif self.seen[name] == 2:
            self.note(Wrong.DOUBLED, f"{name} was seen twice, now by {side}")

    def goes_out(self) -> None:
        """Legacy goes away now, until `is_back`."""
        self.outages.append((time.monotonic(), float("inf")))

    def is_back(self) -> None:
        """Legacy is there again."""
        self.outages[-1] = (self.outages[-1][0], time.monotonic())

    def excuses(self, asked_at: float) -> bool:
        """Whether legacy was away at some time since then, or only just before."""
        return any(asked_at < back + _RECOVERY_S for _, back in self.outages[-2:])

    def describe(self, name: str) -> str:
        """What helps to find out why this request went wrong."""
        last = f"{time.monotonic() - self.restarted[-1]:.2f} s after a restart" if self.restarted else "no restart"
        return f"{last}; legacy saw this write {self.seen[name]} times" if name in self.seen else last

    @property
    def asked(self) -> int:
        return self.counts["asked"]

    @property
    def is_clean(self) -> bool:
        return not self.wrong.total()
