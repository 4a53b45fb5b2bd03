"""The stages of a route and the table of transitions between them (design.md, Stages)."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """How far a route has moved, in the order of the move."""

    LEGACY = "legacy"
    SHADOW = "shadow"
    CANARY = "canary"
    NEW = "new"
    RETIRED = "retired"


class Move(StrEnum):
    """What a change of stage is; the word is what history and logs show."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    ADJUST = "adjust"
    SKIP = "skip"


_ORDER = tuple(Stage)


def classify(current: Stage, wanted: Stage) -> Move:
    """Name the move: one forward is a promotion, several are a skip, backward is a rollback, none an adjustment."""
    distance = _ORDER.index(wanted) - _ORDER.index(current)
    if distance == 0:
        return Move.ADJUST
    if distance < 0:
        return Move.ROLLBACK
    return Move.PROMOTE if distance == 1 else Move.SKIP


def refusal(current: Stage, wanted: Stage, *, forced: bool) -> str | None:
    """Say why this transition is not in the table, or None when it is.

    Forward goes one stage at a time; skipping one needs force. Backward is always allowed: a route
    that is retired leaves that stage only by an explicit flip, which is what this call is about.
    """
    if classify(current, wanted) is Move.SKIP and not forced:
        after = _ORDER[_ORDER.index(current) + 1]
        return f"{current} goes forward to {after} first, not to {wanted} (force with a reason skips stages)"
    return None
