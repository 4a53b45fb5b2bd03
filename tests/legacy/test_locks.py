"""The npm locks: exact, hashed, and tied to no host."""

import json

import pytest

from .stack import REPOSITORY

FOLDERS = ["legacy", "tests/frontend"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_lock_names_no_host_to_download_from(folder: str) -> None:
    """Whoever installs decides where packages come from; every one of them is held to its hash."""
    lock = json.loads((REPOSITORY / folder / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_dependencies_are_exact(folder: str) -> None:
    """package.json names one version of each dependency."""
    manifest = json.loads((REPOSITORY / folder / "package.json").read_text())
    assert manifest["dependencies"]
    assert [v for v in manifest["dependencies"].values() if not v[0].isdigit()] == []
