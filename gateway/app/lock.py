"""One gateway per state folder: two would share one embedded PostgreSQL, and one panic, by accident."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.app.opening import CannotStart

NAME: Final = "gateway.lock"


class StateLock:
    """Held for as long as the process lives, or the successor that inherits `handle`: the kernel frees it."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    @classmethod
    def take(cls, state: Path, inherited: int | None = None) -> StateLock:
        """Hold the folder, or go on holding it as the successor of its holder; CannotStart when it is somebody's."""
        path = state / NAME
        try:
            state.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotStart([f"--state {state}: the folder cannot be made: {error.strerror}"]) from error
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CannotStart([f"--state {state}: {path} cannot be opened: {error.strerror}"]) from error
        if inherited is not None and os.path.sameopenfile(handle, inherited):
            os.close(handle)
            return cls(inherited)._signed()
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(handle, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(handle)
            sentence = (
                f"--state {state} is in use by another gateway (process {holder}): give this one a state folder of its "
                "own, or both a --database-url"
            )
            raise CannotStart([sentence]) from error
        return cls(handle)._signed()

    def close(self) -> None:
        """Hold it no more; a successor that has inherited it still does."""
        os.close(self.handle)

    def _signed(self) -> StateLock:
        """Write who holds it, for people."""
        with suppress(OSError):
            os.ftruncate(self.handle, 0)
            os.pwrite(self.handle, f"{os.getpid()}\n".encode(), 0)
        return self
