"""Notices that a contracts folder has changed. What its files say is `load`'s business."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

LOOK_S = 1.0  # how long an edit may wait; also the time a half-written set of files has to become whole
DEEPEST = 3  # contracts/ROUTE/cases/NAME.yaml


async def changes(folder: Path) -> AsyncIterator[None]:
    """Yield after every change of the folder, once it has been still for a moment; never ends."""
    known = await asyncio.to_thread(_fingerprint, folder)
    while True:
        await asyncio.sleep(LOOK_S)
        now = await asyncio.to_thread(_fingerprint, folder)
        if now == known:
            continue
        while now != known:
            known = now
            await asyncio.sleep(LOOK_S / 4)
            now = await asyncio.to_thread(_fingerprint, folder)
        yield


def _fingerprint(folder: Path) -> frozenset[tuple[str, int, int]]:
    """Every folder, and every YAML file with its inode and time of change; a folder that is not there has none.

    That time is the system's own: a copy may come with the modification time and the size of what it replaces.
    """
    found = set()
    for path, folders, files in os.walk(folder):
        if len(Path(path).relative_to(folder).parts) >= DEEPEST:
            folders.clear()
        found |= {(os.path.join(path, name), 0, 0) for name in folders}  # one may stand where a file is wanted
        for name in files:
            if name.endswith(".yaml"):
                try:
                    status = os.stat(os.path.join(path, name), follow_symlinks=False)
                except OSError:
                    continue  # gone since it was listed; the next look sees it
                found.add((os.path.join(path, name), status.st_ino, status.st_ctime_ns))
    return frozenset(found)
