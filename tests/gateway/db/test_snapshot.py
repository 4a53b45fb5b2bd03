"""The last-known-good file: whole or absent, never half believed."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.db import snapshot
from gateway.db.snapshot import SnapshotFile, Unusable
from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage

FLAGS = {
    "lots.create": Flag("lots.create", Stage.CANARY, 500, 100, 7, "ann", "naïve \ud83d reason"),
    "lots.list": Flag("lots.list", Stage.NEW, version=2),
}


@pytest.fixture
def file(tmp_path: Path) -> SnapshotFile:
    return SnapshotFile(tmp_path / "state" / "flags.json")


def path_of(file: SnapshotFile) -> Path:
    return file._path


def test_what_was_kept_is_read(file: SnapshotFile) -> None:
    """Flags come back equal, whatever their reasons contain, and only the owner may read the file."""
    assert file.keep(FLAGS)
    assert file.read() == FLAGS
    assert stat.S_IMODE(path_of(file).stat().st_mode) == 0o600


def test_no_file_is_said(file: SnapshotFile) -> None:
    """A first start has no file, and that is a reason like any other."""
    assert file.read() == Unusable("there is no last-known-good file")


def test_unchanged_flags_are_not_written_again(file: SnapshotFile) -> None:
    """Keeping the same flags leaves the very file in place."""
    file.keep(FLAGS)
    before = path_of(file).stat().st_ino
    file.keep(FLAGS)
    assert path_of(file).stat().st_ino == before


def test_every_torn_length_is_refused(file: SnapshotFile) -> None:
    """A file cut anywhere counts as absent and is repaired by the next accepted load."""
    file.keep(FLAGS)
    whole = path_of(file).read_bytes()
    for length in range(0, len(whole), 7):
        path_of(file).write_bytes(whole[:length])
        assert isinstance(file.read(), Unusable), length
    assert file.keep(FLAGS)
    assert path_of(file).read_bytes() == whole


def test_changed_value_is_refused(file: SnapshotFile) -> None:
    """A file that is whole JSON, but not what was written, is refused, too."""
    file.keep(FLAGS)
    text = path_of(file).read_text()
    path_of(file).write_text(text.replace('"canary": 500', '"canary": 900'))
    assert file.read() == Unusable("the last-known-good file is refused: its checksum does not fit")


def signed(flags: object) -> bytes:
    return json.dumps({"format": 1, "sha256": snapshot._checksum(flags), "flags": flags}).encode()


GOOD = {"route": "r", "stage": "new", "canary": 0, "sample": 1, "version": 3, "set_by": "x", "reason": ""}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": 2, "sha256": "", "flags": []}',
        b'{"name": "another program\'s file"}',
        signed("x"),
        signed([{}]),
        signed([3]),
        signed([{**GOOD, "stage": "everything"}]),
        signed([{**GOOD, "canary": 10_001}]),
        signed([{**GOOD, "version": -1}]),
        signed([{**GOOD, "version": True}]),
        signed([{**GOOD, "route": 1}]),
        signed([{**GOOD, "more": 1}]),
    ],
    ids=range(16),
)
def test_hostile_content_is_refused_with_a_reason(file: SnapshotFile, content: bytes) -> None:
    """Nothing but a whole snapshot of this format is believed, and nothing makes reading fail."""
    file.keep({})
    path_of(file).write_bytes(content)
    found = file.read()
    assert isinstance(found, Unusable)
    assert found.reason.startswith("the last-known-good file is refused: ")


def test_content_used_above_is_good_when_nothing_is_wrong(file: SnapshotFile) -> None:
    """The hostile contents are refused for what is wrong with them, not for how the test makes them."""
    file.keep({})
    path_of(file).write_bytes(signed([GOOD]))
    assert file.read() == {"r": Flag("r", Stage.NEW, 0, 1, 3, "x")}


def oversized(path: Path) -> None:
    path.write_bytes(b" " * (snapshot.MAX_BYTES + 1))


def writable_by_all(path: Path) -> None:
    SnapshotFile(path).keep(FLAGS)
    path.chmod(0o666)


def link(path: Path) -> None:
    SnapshotFile(path.with_name("elsewhere")).keep(FLAGS)
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("make", [oversized, writable_by_all, link, os.mkfifo, os.mkdir])
def test_what_is_no_file_of_ours_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Too large, writable by others, a link, a pipe or a folder: refused at once, without waiting for it."""
    path = tmp_path / "flags.json"
    make(path)
    assert isinstance(SnapshotFile(path).read(), Unusable)


def test_full_disk_keeps_the_old_file(file: SnapshotFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails half-way leaves the old file whole, no litter, and only says that it failed."""
    file.keep(FLAGS)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert not file.keep({})
    assert file.read() == FLAGS
    assert [each.name for each in path_of(file).parent.iterdir()] == ["flags.json"]
