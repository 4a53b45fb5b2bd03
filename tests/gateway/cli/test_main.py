"""How the program ends, whatever happens."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import main
from tests.gateway.cli.conftest import Strangler
from tests.gateway.cli.program import clean_environment

COMMANDS = [
    ["demo"],
    ["run"],
    ["check"],
    ["routes"],
    ["flip"],
    ["rollback"],
    ["history"],
    ["mismatches"],
    ["contracts", "check"],
    ["contracts", "verify"],
    ["contracts", "schema"],
    ["db", "upgrade"],
    ["db", "current"],
    ["tokens", "add"],
    ["tokens", "list"],
    ["tokens", "revoke"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command has examples in its help and offers --json."""
    assert main([*words, "--help"]) == 0
    out = capsys.readouterr().out
    assert "Examples:" in out
    assert f"strangler {' '.join(words)}" in out
    assert "--json" in out


def test_help_fits_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """No option of the longest help is cut."""
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["run", "--help"]) == 0
    out = capsys.readouterr().out
    assert "--connect-timeout-s SECONDS" in out
    assert "..." not in out.replace(",...", "")


@pytest.mark.parametrize("words", [["nonsense"], ["run", "--nonsense"], ["db"], [], ["demo", "--traffic", "many"]])
def test_wrong_usage_is_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong usage ends with 2 and says so without a traceback."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert out + err


def test_wrong_usage_is_one_document_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that mistypes an option can read why."""
    assert main(["routes", "--nonsense", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "usage"


def test_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints the version and nothing else."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.count(".") == 2


def test_reader_who_left_the_help_is_no_error(tmp_path: Path) -> None:
    """`strangler run --help | head -1` ends with 0 and silence."""
    command = f"{sys.executable} -m gateway run --help | head -1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    """`strangler --help` imports neither pydantic nor the database nor an HTTP client."""
    code = (
        "import sys; from gateway.cli import main; main(['--help']);"
        "print([name for name in ('pydantic', 'sqlalchemy', 'httpx', 'psycopg', 'ssl', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_bug_is_a_sentence_and_not_a_traceback(tmp_path: Path) -> None:
    """An exception nobody expected is told in one line; --debug shows where it came from."""
    code = (
        "import sys, gateway.contract.load as load\n"
        "def broken(*_, **__): raise ZeroDivisionError('seven')\n"
        "load.load = broken\n"
        "from gateway.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    ran = [
        subprocess.run(
            [sys.executable, "-c", code, "contracts", "check", str(tmp_path), *more],
            capture_output=True,
            text=True,
            check=False,
        )
        for more in ([], ["--debug"], ["--json"])
    ]
    assert [one.returncode for one in ran] == [70, 70, 70]
    assert "this is a bug in strangler: ZeroDivisionError: seven" in ran[0].stderr
    assert "Traceback" not in ran[0].stderr
    assert "Traceback" in ran[1].stderr
    assert json.loads(ran[2].stdout)["error"]["code"] == "bug"


def test_settings_are_missing(strangler: Strangler) -> None:
    """`run` without a backend says all three ways to name one and ends with 2."""
    ran = strangler("run")
    assert ran.code == 2
    assert "--legacy, STRANGLER_LEGACY or `legacy:` in strangler.yaml" in ran.err
    assert ran.out == ""


def test_problem_with_a_setting_is_one_document_with_json(strangler: Strangler) -> None:
    """With --json the problems are machine-readable and nothing else is on standard output."""
    ran = strangler("run", "--json", "--legacy", "ftp://x", "--timeout-s", "soon")
    assert ran.code == 2
    assert ran.json["error"]["code"] == "bad_settings"
    assert [one.split(":")[0] for one in ran.json["error"]["problems"]] == ["legacy", "timeout_s"]
