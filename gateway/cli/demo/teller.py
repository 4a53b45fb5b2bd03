"""What the demo says while it runs: lines that stay, and one status line that a terminal shows in place."""

from __future__ import annotations

import sys
import time

from gateway.cli.output import plain, put

_CLEAR = "\r\x1b[K"  # to the start of the line, and erase it
_GAP_S = 10.0  # between two status lines where lines cannot be taken back


class Teller:
    """Speaks on standard error, so that standard output is the programs' own."""

    def __init__(self) -> None:
        self._in_place = sys.stderr.isatty()
        self._status_shown = False
        self._due = time.monotonic() + _GAP_S

    def say(self, sentence: str) -> None:
        """Write a line that stays."""
        put(f"{_CLEAR if self._status_shown else ''}strangler demo: {plain(sentence)}\n", sys.stderr)
        self._status_shown = False

    def status(self, sentence: str) -> None:
        """Show how things are at this moment."""
        if self._in_place:
            put(f"{_CLEAR}{plain(sentence)}", sys.stderr)
            self._status_shown = True
        elif time.monotonic() >= self._due:
            self._due = time.monotonic() + _GAP_S
            self.say(sentence)
