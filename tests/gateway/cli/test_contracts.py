"""`contracts` on files alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.gateway.cli.conftest import Strangler
from tests.gateway.cli.program import ROOT, run_in


def test_our_own_contracts_are_right(strangler: Strangler) -> None:
    """The contracts of this repository have no problem."""
    ran = strangler("contracts", "check", str(ROOT / "contracts"), "--json")
    assert ran.code == 0, ran.err
    assert "lots.list" in ran.json["routes"]
    assert ran.json["problems"] == []


def test_problem_is_told_with_file_and_line(strangler: Strangler, tmp_path: Path) -> None:
    """Every problem of a folder is told at once, and the exit code is 2."""
    folder = tmp_path / "contracts" / "lots.list"
    folder.mkdir(parents=True)
    (folder / "route.yaml").write_text("route: GET /api/lots\neffect: reed\ngroup: lots\nstickiness: jwt.sub\n")
    (folder / "stray.txt").write_text("")
    ran = strangler("contracts", "check")
    assert ran.code == 2
    assert "contracts/lots.list/route.yaml:2" in ran.out
    assert "stray.txt" in ran.out
    assert strangler("contracts", "check", "--json").json["problems"][0]["line"] in (0, 2)


def test_missing_folder_is_wrong_usage(strangler: Strangler) -> None:
    """A folder that is not there is told from one that is empty."""
    ran = strangler("contracts", "check", "nowhere")
    assert ran.code == 2
    assert "there is no folder nowhere" in ran.err


def test_folder_without_routes_is_wrong_usage(strangler: Strangler, tmp_path: Path) -> None:
    """A check that has looked at nothing says so, and does not end with 0: another folder was meant."""
    (tmp_path / "contracts").mkdir()
    ran = strangler("contracts", "check")
    assert ran.code == 2
    assert "contracts has no routes: there is nothing to check" in ran.err


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_a_rule_ends_at_the_same_moment_everywhere(tmp_path: Path, zone: str) -> None:
    """A rule's last day is one of UTC, as in a gateway: wherever CI runs, it says what the gateway does."""
    folder = tmp_path / "contracts" / "lots.list"
    folder.mkdir(parents=True)
    (folder / "route.yaml").write_text("route: GET /api/lots\neffect: read\nstickiness: jwt.sub\n")
    today = datetime.now(UTC).date()
    for until, code in ((today, 0), (today - timedelta(days=1), 2)):
        rule = f"allow:\n  - {{where: body/kg, kind: value, because: x, owner: lots, until: '{until}'}}\n"
        (folder / "differences.yaml").write_text(rule)
        assert run_in(tmp_path, ("contracts", "check"), {"TZ": zone}).code == code
