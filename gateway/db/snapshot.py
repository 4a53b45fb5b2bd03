"""The last-known-good file: the flags that were in force, for a start without the database.

A file that is torn, foreign, too large, or that others may write counts as absent, and the reason is said.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from gateway.rollout.flag import WHOLE, Flag
from gateway.rollout.stage import Stage
from gateway.telemetry import log

FORMAT = 1
MAX_BYTES = 8 * 1024 * 1024  # some 40,000 routes


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why there is no snapshot; a short sentence for people."""

    reason: str


NO_SNAPSHOT: Final = Unusable("there is no last-known-good file")


class SnapshotFile:
    """One file; any number of processes may write it, the last one wins whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failing = False

    def read(self) -> dict[str, Flag] | Unusable:
        """The flags in the file, or why they cannot be used."""
        try:
            return _decoded(self._bytes())
        except FileNotFoundError:
            return NO_SNAPSHOT
        except OSError as error:
            return Unusable(f"the last-known-good file cannot be read ({error.strerror})")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return Unusable(f"the last-known-good file is refused: {error}")

    def keep(self, flags: Mapping[str, Flag]) -> bool:
        """Make the file hold these flags; False when the disk would not have it, which is only logged."""
        if self.read() == flags:
            return True
        try:
            self._write(_encoded(flags))
        except OSError as error:
            if not self._failing:
                log("snapshot_not_written", error=error.strerror)
            self._failing = True
            return False
        self._failing = False
        return True

    def _bytes(self) -> bytes:
        # a device or a pipe in its place must not be waited for, and a link may point anywhere
        handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise ValueError("it is not a file")
            if found.st_uid not in (0, os.geteuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise ValueError("other users may write it")
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError("it is too large")
        return content

    def _write(self, content: bytes) -> None:
        folder = self._path.parent
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=folder)  # mode 0600
        try:
            with open(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
        _sync(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _encoded(flags: Mapping[str, Flag]) -> bytes:
    listed = [asdict(flags[route]) for route in sorted(flags)]
    return json.dumps({"format": FORMAT, "sha256": _checksum(listed), "flags": listed}, indent=1).encode()


def _checksum(listed: object) -> str:
    """Tells a torn file from a whole one; it proves nothing about who wrote it, the file's mode does."""
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()


def _decoded(content: bytes) -> dict[str, Flag]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise ValueError("it is torn, or not JSON") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"it is not of format {FORMAT}")
    if document.get("sha256") != _checksum(document.get("flags")):
        raise ValueError("its checksum does not fit")
    flags = [_flag(item) for item in document["flags"]]
    return {flag.route: flag for flag in flags}


def _flag(item: dict[str, Any]) -> Flag:
    flag = Flag(**{**item, "stage": Stage(item["stage"])})
    numbers = (flag.canary, flag.sample, flag.version)
    texts = (flag.route, flag.set_by, flag.reason)
    if not all(type(number) is int for number in numbers) or not all(isinstance(text, str) for text in texts):
        raise ValueError("a flag in it has a value of the wrong type")
    if not (0 <= flag.canary <= WHOLE and 0 <= flag.sample <= WHOLE and flag.version >= 0):
        raise ValueError("a flag in it has a number out of range")
    return flag
