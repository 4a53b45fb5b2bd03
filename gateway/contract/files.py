"""Reads contract files as hostile input: bounded, regular files only, no links; says what is wrong and where."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 256 * 1024  # of one file; a case that needs more is a test of its own
MAX_ENTRIES = 20_000  # of one folder


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong in which line of which file; line 0 means the file or folder as a whole."""

    file: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.sentence}" if self.line else f"{self.file}: {self.sentence}"


def read_text(path: Path, *, shown: str) -> str | Problem:
    """The text of one file; `shown` is its name in problems."""
    try:
        # O_NOFOLLOW: a link may point anywhere; O_NONBLOCK: opening a pipe must not wait
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        return Problem(shown, 0, f"the file cannot be opened ({error.strerror})")
    try:
        # no file object before it is known to be a file: Python makes none of a folder
        content = _content(descriptor) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
    except OSError as error:
        return Problem(shown, 0, f"the file cannot be read ({error.strerror})")
    finally:
        os.close(descriptor)
    if content is None:
        return Problem(shown, 0, "this is not a regular file")
    if len(content) > MAX_BYTES:
        return Problem(shown, 0, f"the file is larger than {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Problem(shown, content.count(b"\n", 0, error.start) + 1, "the file is not UTF-8 text")


def _content(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(MAX_BYTES + 1)


def entries(folder: Path, *, shown: str) -> list[os.DirEntry[str]] | Problem:
    """What lies in a folder, by name, without what is hidden and without notes for people (`*.md`)."""
    found: list[os.DirEntry[str]] = []
    try:
        with os.scandir(folder) as listing:
            for entry in listing:
                if entry.name.startswith(".") or entry.name.endswith(".md"):
                    continue
                found.append(entry)
                if len(found) > MAX_ENTRIES:
                    return Problem(shown, 0, f"the folder has more than {MAX_ENTRIES} entries")
    except OSError as error:
        return Problem(shown, 0, f"the folder cannot be read ({error.strerror})")
    return sorted(found, key=lambda entry: entry.name)
