"""A rollout: the steps by which a route goes forward, how long each bakes, and what comes next. Pure.

No step is taken but through the gate. Whoever else moves the route ends the rollout.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Final

from gateway.rollout.flag import WHOLE, Change, Flag
from gateway.rollout.gate import Answer, Judgement, asks_for_evidence
from gateway.rollout.stage import Stage

BY: Final = "rollout"
MOST_STEPS: Final = 50
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)\s*%", re.ASCII)


class State(StrEnum):
    """How a rollout is."""

    RUNNING = "running"
    PAUSED = "paused"  # the gate said no; a person resumes or cancels it
    DONE = "done"
    CANCELLED = "cancelled"
    ENDED = "ended"  # the route was moved by something else


ACTIVE: Final = (State.RUNNING, State.PAUSED)


@dataclass(frozen=True, slots=True)
class Step:
    """Where a step leads: a share of callers in canary, in 1/10,000, or stage new."""

    stage: Stage
    canary: int = 0

    @classmethod
    def parse(cls, text: str) -> Step:
        """Read `5%`, `0.01%` or `new`; ValueError says what else was found."""
        if text.strip() == Stage.NEW:
            return cls(Stage.NEW)
        found = _SHARE.fullmatch(text.strip())
        share = int(Decimal(found[1]) * 100) if found else 0
        if not 0 < share <= WHOLE:
            raise ValueError(f"{text!r} is no step: write a share from 0.01% to 100%, or new")
        return cls(Stage.CANARY, share)

    def __str__(self) -> str:
        """As it was written."""
        if self.stage is Stage.NEW:
            return "new"
        return f"{Decimal(self.canary).scaleb(-2).normalize():f}%"

    @property
    def change(self) -> Change:
        """The change of the flag that this step is."""
        return Change(self.stage, self.canary if self.stage is Stage.CANARY else None)


@dataclass(frozen=True, slots=True)
class Rollout:
    """One plan. `taken` of its steps have been taken, the last one `baked_s` ago, which left the flag at `version`."""

    id: int
    route: str
    steps: tuple[Step, ...]
    bake_s: float
    state: State
    taken: int
    version: int
    baked_s: float
    by: str
    reason: str
    why: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Take:
    """Take the next step."""

    change: Change


@dataclass(frozen=True, slots=True)
class Stay:
    """Be in this state, because of that."""

    state: State
    why: tuple[str, ...] = ()


def bad_steps(steps: tuple[Step, ...], flag: Flag) -> str | None:
    """Why a route cannot be moved by these steps from where it is; None when it can."""
    if flag.stage not in (Stage.SHADOW, Stage.CANARY):
        return f"{flag.route} is in {flag.stage}; a rollout begins in shadow or canary"
    if not 0 < len(steps) <= MOST_STEPS:
        return f"a rollout has 1 to {MOST_STEPS} steps, not {len(steps)}"
    places = [flag.canary if flag.stage is Stage.CANARY else 0, *map(_place, steps)]
    if any(later <= earlier for earlier, later in pairwise(places)):
        at = f", the first further than {Step(flag.stage, flag.canary)}" if flag.stage is Stage.CANARY else ""
        return f"each step must lead further than the one before{at}: {', '.join(map(str, steps))}"
    return None


def needs_gate(rollout: Rollout, flag: Flag) -> bool:
    """Whether the gate is to be asked now: a step is due, and it sends more callers to the new side."""
    is_due = rollout.state is State.RUNNING and rollout.version == flag.version and not _bakes(rollout)
    has_next = rollout.taken < len(rollout.steps)
    return is_due and has_next and asks_for_evidence(flag, rollout.steps[rollout.taken].change)


def next_move(rollout: Rollout, flag: Flag, judgement: Judgement | None) -> Take | Stay:
    """What a running rollout does now; `judgement` is the gate's where it was to be asked."""
    if flag.version != rollout.version:
        where = f"canary {flag.canary / 100:g}%" if flag.stage is Stage.CANARY else flag.stage
        return Stay(State.ENDED, (f"{flag.set_by} moved the route to {where}: {flag.reason or 'without a reason'}",))
    if _bakes(rollout):
        left = rollout.bake_s - rollout.baked_s
        return Stay(State.RUNNING, (f"step {rollout.taken} bakes for another {left:.0f} s",))
    if rollout.taken >= len(rollout.steps):
        return Stay(State.DONE)
    if judgement is not None and judgement.answer is not Answer.PASS:
        state = State.PAUSED if judgement.answer is Answer.FAIL else State.RUNNING
        return Stay(state, tuple(each.sentence for each in judgement.objections))
    return Take(rollout.steps[rollout.taken].change)


def _bakes(rollout: Rollout) -> bool:
    return rollout.taken > 0 and rollout.baked_s < rollout.bake_s


def _place(step: Step) -> int:
    return WHOLE + 1 if step.stage is Stage.NEW else step.canary
