"""The version of a new side in this process is its source, whoever asks and whenever it was written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.upstream.version import version_of


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of two files in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop" / "inner").mkdir(parents=True)
    (tmp_path / "shop" / "__init__.py").write_text("1")
    (tmp_path / "shop" / "inner" / "app.py").write_text("2")
    return tmp_path / "shop"


def test_a_change_of_any_source_file_is_another_version(package: Path) -> None:
    """Of any file below the package that the name begins with, and of its name."""
    before = version_of("shop.inner.app:build")
    assert len(before) == 12
    (package / "inner" / "app.py").write_text("3")
    changed = version_of("shop.inner.app:build")
    (package / "inner" / "app.py").rename(package / "inner" / "api.py")
    assert len({before, changed, version_of("shop.inner.app:build")}) == 3


def test_what_is_no_source_changes_nothing(package: Path) -> None:
    """Times, caches, data."""
    before = version_of("shop:build")
    os.utime(package / "__init__.py", (0, 0))
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "app.pyc").write_bytes(b"x")
    (package / "data.json").write_text("{}")
    assert version_of("shop.inner.app:build") == before


def test_one_module_is_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An app in a single file has a version too, and is not run to find it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "single.py").write_text("raise SystemExit")
    before = version_of("single:build")
    (tmp_path / "single.py").write_text("raise SystemExit(2)")
    assert before not in ("", version_of("single:build"))


def test_what_is_not_there_has_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading it will say so."""
    monkeypatch.chdir(tmp_path)
    assert version_of("no_such_package_here:build") == ""
