"""Keeps the parts alive: a part that ended is started again after a pause that doubles while it keeps dying."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.cli.demo.parts import Part
from gateway.cli.demo.signals import Wish

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_STEADY_S = 30.0  # a part that lived this long starts with the first pause again
_PATIENCE_S = 45.0  # for a part that lives and does not answer after its start
_GRACE_S = 6.0  # between the friendly signal and the other one

Say = Callable[[str], None]


@dataclass(slots=True)
class Watch:
    """What is known of one part: since when it runs, when it is due, whether it has answered."""

    part: Part
    pause_s: float = _FIRST_PAUSE_S
    started: float = field(default_factory=time.monotonic)
    due: float | None = None
    answered: bool = True


def supervise(parts: Sequence[Part], *, wish: Wish, say: Say, meanwhile: Callable[[], None]) -> None:
    """Keep the parts alive until somebody wishes to stop."""
    watches = [Watch(part) for part in parts]
    while not wish.to_stop:
        for watch in watches:
            look_after(watch, now=time.monotonic(), say=say)
        meanwhile()
        wish.pause()


def look_after(watch: Watch, *, now: float, say: Say) -> None:
    """Do for one part what is to be done at this moment."""
    part = watch.part
    if watch.due is not None:
        if now >= watch.due:
            _start_again(watch, now=now, say=say)
    elif not part.is_alive():
        _plan_restart(watch, now=now, say=say, why=part.last_words())
    elif not watch.answered and part.is_ready():
        watch.answered = True
        say(f"{part.name} is back")
    elif not watch.answered and now - watch.started > _PATIENCE_S:
        part.kill()
        _plan_restart(watch, now=now, say=say, why=f"did not answer for {_PATIENCE_S:.0f} s")


def _plan_restart(watch: Watch, *, now: float, say: Say, why: str) -> None:
    if watch.answered and now - watch.started > _STEADY_S:
        watch.pause_s = _FIRST_PAUSE_S
    watch.due = now + watch.pause_s
    say(f"{watch.part.name} {why}; it is started again in {watch.pause_s:g} s")
    watch.pause_s = min(watch.pause_s * 2, _LONGEST_PAUSE_S)


def _start_again(watch: Watch, *, now: float, say: Say) -> None:
    failure = watch.part.start()
    watch.started, watch.answered = now, False
    watch.due = None
    if failure is not None:
        _plan_restart(watch, now=now, say=say, why=f"cannot be started ({failure})")


def stop_all(parts: Sequence[Part], *, wish: Wish) -> None:
    """Stop the parts in the order given, each after the one before it has gone."""
    for part in parts:
        until = time.monotonic() + _GRACE_S
        if not wish.to_stop_at_once:
            part.ask_to_stop()
        while part.is_alive() and not wish.to_stop_at_once and time.monotonic() < until:
            time.sleep(0.05)
        part.kill()
