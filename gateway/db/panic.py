"""Panic: a file in the state folder that sends everything to legacy, also with the database dead.

Every process of the folder looks at it by itself, in a thread: neither the loop nor the pool of threads that
everything else uses may hold it up. A signal turns the panic on at once and leaves the file behind.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path
from threading import Event, Thread
from typing import Final

from gateway.rollout.plan import Live
from gateway.telemetry import log

LOOK_S: Final = 0.25
NAME: Final = "panic"


class PanicFile:
    """The file; that it is there is all that counts. Its one line tells people since when and by whom."""

    def __init__(self, state: Path) -> None:
        self.path = state / NAME

    def is_there(self) -> bool | None:
        """Whether it is there; None when that cannot be told, which changes nothing."""
        try:
            os.lstat(self.path)
        except FileNotFoundError:
            return False
        except OSError:
            return None
        return True

    def make(self, by: str) -> None:
        """Make it unless it is there; OSError when the disk would not have it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        except FileExistsError:
            return
        with open(handle, "w") as file:
            try:
                file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {by}\n")
                file.flush()
            except OSError:  # the disk is full: an empty file says enough
                log("panic_file_is_empty", level=logging.WARNING)

    def remove(self) -> None:
        """Remove it; it is fine when it is not there, OSError when it stays."""
        self.path.unlink(missing_ok=True)


class PanicWatch:
    """Makes `live` follow the file; make it in the running loop, before the first request."""

    def __init__(self, state: Path, live: Live) -> None:
        self._file = PanicFile(state)
        self._live = live
        self._loop = asyncio.get_running_loop()
        self._over = Event()
        self._told = False  # by a signal, and the file could not be made yet
        self._follow(self._file.is_there())
        Thread(target=self._watch, name="panic", daemon=True).start()

    def tell(self) -> None:
        """Turn it on now; the file follows, so that the other processes and the next start know."""
        self._told = True
        self._apply(True)

    def close(self) -> None:
        """Look no more."""
        self._over.set()

    def _watch(self) -> None:
        acted_on = self._live.plan.panicked
        while not self._over.wait(LOOK_S):
            if self._told and self._made():
                self._told, acted_on = False, True
            found = self._told or self._file.is_there()
            if found is not None and found is not acted_on:
                acted_on = found
                try:
                    self._loop.call_soon_threadsafe(self._follow, found)
                except RuntimeError:
                    return  # the loop has ended

    def _made(self) -> bool:
        try:
            self._file.make(f"SIGUSR1 to process {os.getpid()}")
        except OSError as error:
            log("panic_file_not_written", level=logging.ERROR, error=error.strerror)
            return False
        return True

    def _follow(self, found: bool | None) -> None:
        self._apply(bool(found) or self._told)

    def _apply(self, wanted: bool) -> None:
        if self._live.panic(wanted):
            log("panic_on" if wanted else "panic_off", level=logging.WARNING, file=str(self._file.path))
