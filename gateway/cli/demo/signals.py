"""The wish to stop: SIGINT, SIGTERM and SIGHUP are noted here and acted upon between two steps, never within one.

A terminal that is gone counts as well: the kernel tells only the session's leader of it, and a leader that is
not a shell (`ssh -t host make demo`) tells nobody.
"""

from __future__ import annotations

import select
import signal
import sys
import time
from types import FrameType
from typing import Any

_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_GLANCE_S = 0.1


class Wish:
    """How often somebody asked the demo to stop; the second time means: at once."""

    def __init__(self) -> None:
        self._asked = 0
        self._first = ""
        self._terminal: int | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Wish:
        """Begin to listen."""
        self._terminal = sys.stdin.fileno() if sys.stdin is not None and sys.stdin.isatty() else None
        self._before = {number: signal.signal(number, self._note) for number in _WATCHED}
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._first = self._first or signal.Signals(number).name
        self._asked += 1  # nothing more: this runs between any two instructions

    @property
    def to_stop(self) -> bool:
        """Whether the demo shall end."""
        return self._asked > 0

    @property
    def why(self) -> str:
        """The signal that came first, or nothing."""
        return self._first

    @property
    def to_stop_at_once(self) -> bool:
        """Whether somebody has lost patience."""
        return self._asked > 1

    def pause(self, seconds: float = _GLANCE_S) -> None:
        """Sleep, but no longer than until somebody wants to stop."""
        until = time.monotonic() + seconds
        while not self.to_stop and time.monotonic() < until:
            time.sleep(min(_GLANCE_S, max(0.0, until - time.monotonic())))
        if self._terminal is not None and not self.to_stop and _is_gone(self._terminal):
            self._note(signal.SIGHUP, None)


def _is_gone(terminal: int) -> bool:
    poll = select.poll()
    poll.register(terminal, 0)  # a hang-up is always told, whatever is asked for
    return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))
