"""Forgets a demo: stops whatever runs in its state folder, then removes what the demo has made there."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

from gateway.cli.demo.files import Folder, Hold, take
from gateway.cli.output import Code, Trouble

_FRIENDLY_S = 25.0
_ANGRY_S = 5.0


def reset(folder: Folder) -> bool:
    """Forget the demo in this folder; False when there was none."""
    if not folder.root.exists():
        return False
    if not folder.lock.exists():
        sentence = f"{folder.root} was not made by a demo (it holds no {folder.lock.name}); nothing was removed"
        raise Trouble(Code.WRONG, "not_a_demo", sentence)
    hold = _take_over(folder)
    try:
        for database in (folder.postgres, folder.scratch):
            _stop_database(database)
        for entry in folder.root.iterdir():
            if entry != folder.lock:
                _remove(folder, entry.name)
        folder.lock.unlink()  # last: a removal that was interrupted can be repeated
    except OSError as error:
        sentence = f"{error.filename} cannot be removed: {error.strerror}"
        raise Trouble(Code.WRONG, "not_removed", sentence) from error
    finally:
        hold.release()
    with suppress(OSError):  # it may be a mount, or somebody is in it
        folder.root.rmdir()
    return True


def _take_over(folder: Folder) -> Hold:
    """Take the folder, ending the demo that has it: friendly first."""
    for number, patience_s in ((signal.SIGTERM, _FRIENDLY_S), (signal.SIGKILL, _ANGRY_S)):
        taken = take(folder)
        if isinstance(taken, Hold):
            return taken
        if taken:
            with suppress(ProcessLookupError):
                os.kill(taken, number)
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            taken = take(folder)
            if isinstance(taken, Hold):
                return taken
            time.sleep(0.1)
    raise Trouble(Code.UNREACHABLE, "still_running", f"the demo in {folder.root} does not end")


def _stop_database(folder: Path) -> None:
    from gateway.cli.demo.database import Database
    from gateway.db.embedded import EmbeddedPostgresError

    if not folder.exists():
        return
    try:
        database = Database(folder)
        database.kill()
    except EmbeddedPostgresError as error:
        raise Trouble(Code.UNREACHABLE, "database", str(error)) from error
    if database.is_alive():
        sentence = f"a gateway still uses the PostgreSQL in {folder}; stop that first"
        raise Trouble(Code.NO, "in_use", sentence)


def _remove(folder: Folder, name: str) -> None:
    path = folder.root / name
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
