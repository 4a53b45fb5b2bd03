"""Every setting is an option, a variable and a key of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli import main
from gateway.settings.model import Settings
from tests.gateway.cli.conftest import Strangler


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_an_option_with_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The help of `run` names every setting and says what it means in the setting's own words."""
    assert main(["run", "--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"--{name.replace('_', '-')} " in out
    assert " ".join(str(Settings.model_fields[name].description).split()[:3]) in out


def test_option_wins_over_variable_and_variable_over_file(strangler: Strangler, tmp_path: Path) -> None:
    """The order is option, variable, file; each of the three is read."""
    (tmp_path / "strangler.yaml").write_text("legacy: http://127.0.0.1:1\nadmin: 127.0.0.1:2\nlisten: bad\n")
    ran = strangler(
        "check",
        "--json",
        "--legacy",
        "http://127.0.0.1:9",
        env={"STRANGLER_LEGACY": "http://127.0.0.1:8", "STRANGLER_LISTEN": "127.0.0.1:0"},
    )
    said = {one["name"]: one["says"] for one in ran.json["checks"]}
    assert "http://127.0.0.1:9" in said["legacy"][0]
    assert said["listen"] == ["127.0.0.1:0"]
    assert "127.0.0.1:2" in said["admin"][0] or "port 2 " in said["admin"][0]


def test_switch_can_be_turned_off(strangler: Strangler) -> None:
    """A boolean setting has an option for either value."""
    assert strangler("check", "--legacy", "http://127.0.0.1:1", "--no-side-header").code != 0
    assert strangler("check", "--legacy", "http://127.0.0.1:1", "--side-header=maybe").code == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["run", "--workers", "0"], "workers: this should be greater than or equal to 1 (--workers,"),
        (["run", "--contracts", "nowhere"], "--contracts nowhere: there is no such folder"),
        (["flip", "lots.list", "nowhere"], "Invalid value for 'STAGE': 'nowhere' is not one of"),
        (["db", "current", "--database-url", "postgresql://u@127.0.0.1:1/x"], "right?"),
        (["tokens", "list", "--database-url", "mysql://x"], "does not start with postgresql:// (--database-url)"),
    ],
)
def test_what_is_wrong_is_one_sentence_in_our_words(
    options: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No library's phrase stands before it, and it says which option to look at."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRANGLER_LEGACY", "http://127.0.0.1:1")
    assert main(options) in (2, 3)
    said = capsys.readouterr().err
    assert sentence in said
    assert "Value error" not in said
    assert "Input should" not in said
