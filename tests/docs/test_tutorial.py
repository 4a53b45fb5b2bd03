"""The files of the tutorial do what it says, without a gateway between them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.contract.load import Contracts, load
from tests.docs.files import REPOSITORY, blocks

TUTORIAL = (REPOSITORY / "docs" / "tutorial" / "first-route.md").read_text()


@pytest.fixture
def written() -> dict[str, str]:
    """The contract files by the name that stands before each."""
    names = re.findall(r"`(contracts/[\w./-]+\.yaml)`", TUTORIAL)
    texts = [block.text for block in blocks(TUTORIAL) if block.language == "yaml"]
    return dict(zip(names, texts, strict=True))


def test_the_contract_files_are_right(written: dict[str, str], tmp_path: Path) -> None:
    """Typed in as they stand they load, with the route, the rule and the three cases."""
    for name, text in written.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    loaded = load(tmp_path / "contracts")
    assert isinstance(loaded, Contracts), loaded
    contract = loaded.by_key["books.get"]
    assert len(contract.rules.rules) == 1
    assert [case.name for case in contract.cases] == ["known", "not-a-number", "unknown"]


def test_the_programs_compile() -> None:
    """Both programs and their repairs are Python."""
    programs = [block.text for block in blocks(TUTORIAL) if block.language == "python"]
    assert len(programs) == 4
    for program in programs:
        compile(program if not program.startswith(" ") else f"def build():\n{program}", "tutorial", "exec")
