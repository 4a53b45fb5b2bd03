"""What the demo keeps in its state folder, who may read it, and who holds the folder.

Everything here is small and written whole: a reader never sees half a file.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.cli.output import Code, Trouble


@dataclass(frozen=True, slots=True)
class Folder:
    """The state folder and the names in it."""

    root: Path

    @property
    def notes(self) -> Path:
        """What programs read: addresses and the admin token."""
        return self.root / "demo.json"

    @property
    def secrets(self) -> Path:
        """What is made once and never shown."""
        return self.root / "secrets.json"

    @property
    def lock(self) -> Path:
        """Held for as long as a demo runs here; its text is the process id of the holder."""
        return self.root / "demo.lock"

    @property
    def logs(self) -> Path:
        """One file per part."""
        return self.root / "logs"

    @property
    def postgres(self) -> Path:
        """The embedded PostgreSQL's own folder."""
        return self.root / "postgres"

    @property
    def scratch(self) -> Path:
        """The embedded PostgreSQL of contract runs; nothing in it is kept."""
        return self.root / "contracts"

    def make(self) -> None:
        """Make the folders, or say why they cannot be made."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            sentence = f"the state folder {self.root} cannot be made: {error.strerror} (choose another with --state)"
            raise Trouble(Code.WRONG, "bad_state_folder", sentence) from error


@dataclass(frozen=True, slots=True)
class Hold:
    """The folder belongs to this process until `release`; the kernel lets go when the process dies."""

    descriptor: int

    def release(self) -> None:
        """Let others have the folder."""
        os.close(self.descriptor)


def take(folder: Folder) -> Hold | int:
    """Take the folder, or return the process id of the demo that has it (0 while it is not known yet)."""
    descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        return int(holder) if holder.isdecimal() else 0
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return Hold(descriptor)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty when there is none that can be read."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_object(path: Path, content: dict[str, Any]) -> None:
    """Replace the file in one step, readable by its owner alone."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
    fresh.replace(path)
