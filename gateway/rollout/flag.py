"""A route's flag, what may be asked of it, and how one flag becomes the next. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.rollout.stage import Move, Stage, classify, refusal

WHOLE = 10_000  # shares are counted in 1/10,000
FIRST_SHARE = 100  # of callers, when a route enters canary and nobody said how many


@dataclass(frozen=True, slots=True)
class Flag:
    """Who answers a route, and who is asked beside it.

    `canary` and `sample` are shares in 1/10,000: of callers on the new side, and of requests that are
    compared. `version` counts the changes of this route, from 0 for a route nobody has touched.
    """

    route: str
    stage: Stage = Stage.LEGACY
    canary: int = 0
    sample: int = WHOLE
    version: int = 0
    set_by: str = "default"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A wanted change; a share of None means: as it is."""

    stage: Stage
    canary: int | None = None
    sample: int | None = None
    reason: str = ""
    force: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a change is not made. `code` is stable: bad_share, reason_missing, bad_transition."""

    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Flipped:
    """The flag after a change, and what kind of move led to it."""

    flag: Flag
    move: Move


def is_as_wanted(flag: Flag, change: Change) -> bool:
    """Whether a change would change nothing. A reason is something to say: it makes a version, and stays."""
    return (
        change.stage is flag.stage
        and change.canary in (None, flag.canary if flag.stage is Stage.CANARY else change.canary)
        and change.sample in (None, flag.sample)
        and change.reason.strip() in ("", flag.reason)
        and not change.force
    )


def apply(flag: Flag, change: Change, *, by: str) -> Flipped | Refused:
    """Make the next flag, or say why not; the version grows by one with every change."""
    for name, share in (("canary", change.canary), ("sample", change.sample)):
        if share is not None and not 0 <= share <= WHOLE:
            return Refused("bad_share", f"{name} is {share}, it must lie between 0 and {WHOLE}")
    if change.force and not change.reason.strip():
        return Refused("reason_missing", "force needs a reason")
    why_not = refusal(flag.stage, change.stage, forced=change.force)
    if why_not is not None:
        return Refused("bad_transition", why_not)
    canary = flag.canary if change.canary is None else change.canary
    if change.stage is Stage.CANARY and change.canary is None and canary == 0:
        canary = FIRST_SHARE
    flipped = replace(
        flag,
        stage=change.stage,
        canary=canary if change.stage is Stage.CANARY else 0,
        sample=flag.sample if change.sample is None else change.sample,
        version=flag.version + 1,
        set_by=by,
        reason=change.reason.strip(),
    )
    return Flipped(flipped, classify(flag.stage, change.stage))
