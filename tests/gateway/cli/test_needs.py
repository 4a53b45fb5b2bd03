"""What the demo needs is asked for before anything is started, and named with the command that brings it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.demo.needs import find_node, insist_on_checkout
from gateway.cli.output import Code, Trouble
from tests.gateway.cli.program import ROOT


def test_this_checkout_has_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here nothing is missing, and Node is the wheel's own program even where the PATH has none."""
    monkeypatch.setenv("PATH", "")
    insist_on_checkout(ROOT)
    assert Path(find_node()).name == "node"


def test_folder_without_the_legacy_app_is_no_checkout(tmp_path: Path) -> None:
    """Elsewhere the sentence says where the demo runs."""
    with pytest.raises(Trouble, match="clone the repository") as caught:
        insist_on_checkout(tmp_path)
    assert caught.value.code is Code.WRONG


def test_missing_node_modules_are_named_with_what_brings_them(tmp_path: Path) -> None:
    """A checkout whose Node modules are not installed is told from no checkout at all."""
    (tmp_path / "legacy").mkdir()
    (tmp_path / "legacy" / "server.js").write_text("")
    with pytest.raises(Trouble, match="make env"):
        insist_on_checkout(tmp_path)
