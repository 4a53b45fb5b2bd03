"""Writes the lines of the access log from a thread of its own: a slow disk or a full pipe never holds up the loop.

What does not fit into the bounded queue is lost, and counted. It redacts and formats in the thread, too.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

from gateway.proxy.access_log import Line, written
from gateway.telemetry import count, log, wait_for_room

MOST_LINES: Final = 4_096  # waiting; of at most a few KiB each
PIECE: Final = 4_096  # PIPE_BUF: so much goes into a pipe in one piece, whoever else writes to it
CLOSE_S: Final = 2.0  # how long closing waits for a reader
MODE: Final = 0o640


class LineWriter:
    """Appends to `file`, or to standard output; make it in the process that writes, it starts a thread."""

    def __init__(self, file: Path | None = None) -> None:
        """Open the file; OSError when that cannot be done."""
        self._file = file
        self._out = sys.stdout.fileno() if file is None else _opened(file)
        self._torn = False  # the last line written has no end
        self._waiting: SimpleQueue[Line | Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="access-log", daemon=True)
        self._thread.start()

    def write(self, line: Line) -> None:
        """Queue a line, or lose it; never waits."""
        if self._waiting.qsize() >= MOST_LINES:
            count("access_log_dropped.queue_full")
        else:
            self._waiting.put(line)

    def reopen(self) -> None:
        """Close the file and open the one that now has its name, after what is queued (log rotation)."""
        if self._file is not None:
            self._waiting.put(self._reopen)

    def close(self) -> None:
        """Write what is queued, as far as that goes quickly; nothing may be written after."""
        self._waiting.put(None)
        self._thread.join(CLOSE_S)

    def _work(self) -> None:
        while True:
            piece = b""
            item = self._waiting.get()
            while isinstance(item, Line):
                text = _text(item)
                if len(piece) + len(text) > PIECE:
                    self._put(piece)
                    piece = b""
                piece += text
                if self._waiting.empty():
                    break
                item = self._waiting.get()
            self._put(piece)
            if item is None:
                return
            if not isinstance(item, Line):
                item()

    def _put(self, piece: bytes) -> None:
        """Write whole lines; what the system refuses (a full disk, a reader that has gone) is lost."""
        lines = piece.count(b"\n")
        rest = b"\n" + piece if self._torn and piece else piece
        try:
            while rest:
                try:
                    rest = rest[os.write(self._out, rest) :]
                    self._torn = bool(rest)
                except BlockingIOError:  # somebody has made the pipe a non-blocking one
                    wait_for_room(self._out)
        except OSError:
            count("access_log_dropped.write_failed", lines)  # no other thread counts under this name

    def _reopen(self) -> None:
        if self._file is None:
            return
        try:
            new = _opened(self._file)
        except OSError as error:
            # the old file goes on
            log("access_log_not_reopened", level=logging.ERROR, error=error.strerror)
            return
        os.close(self._out)
        self._out = new


def _text(line: Line) -> bytes:
    try:
        return written(line)
    except Exception as bug:  # noqa: BLE001 - the thread's edge: one line that cannot be written must not end the log
        count("access_log_dropped.bug")
        log("access_log_bug", level=logging.ERROR, bug=bug)
        return b""


def _opened(file: Path) -> int:
    return os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
