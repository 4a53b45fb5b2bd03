"""An edit of a contracts folder is noticed, whatever it looks like from outside."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.contract.watch import changes


def _same_size_and_time(file: Path) -> None:
    """As `rsync --times`, `cp -p` or an unpacked archive may leave it."""
    before = file.stat()
    file.write_text("b: 1\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replaced(file: Path) -> None:
    """As most editors save."""
    before = file.stat()
    other = file.with_suffix(".new")
    other.write_text("b: 1\n")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)


@pytest.mark.parametrize("edit", [_same_size_and_time, _replaced, Path.unlink])
async def test_an_edit_is_noticed(tmp_path: Path, edit: Callable[[Path], None]) -> None:
    """Also one that keeps the size and the time of what it replaces."""
    file = tmp_path / "lots.list" / "differences.yaml"
    file.parent.mkdir()
    file.write_text("a: 1\n")
    seen = changes(tmp_path)
    waiting = asyncio.ensure_future(anext(seen))
    await asyncio.sleep(0.5)  # it has looked at the folder once
    assert not waiting.done()
    edit(file)
    async with asyncio.timeout(20):
        await waiting
