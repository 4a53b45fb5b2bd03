"""`contracts`: are the files right, do both sides answer as they say, and their schemas for editors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.command import command, subgroup
from gateway.cli.output import Answer, Code, Trouble, plain

if TYPE_CHECKING:
    from gateway.contract.files import Problem

group = subgroup("Contracts: routes, allowed differences and cases, as files.")

_Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The contracts folder.")]


@command(
    group,
    "check",
    examples="""
    strangler contracts check
    strangler contracts check path/to/contracts --json
    """,
)
def check(folder: _Folder = Path("contracts")) -> Answer:
    """Say what is wrong in a contracts folder, file by file and line by line."""
    from datetime import date

    from gateway.contract.load import Contracts, load

    _insist_on(folder)
    loaded = load(folder, today=date.today())
    if isinstance(loaded, Contracts):
        lines = [*(f"note: {plain(str(note))}" for note in loaded.notes), f"{len(loaded.by_key)} routes, all right"]
        data = {"routes": sorted(loaded.by_key), "problems": [], "notes": [_place(note) for note in loaded.notes]}
        return Answer(data, "\n".join(lines))
    lines = [*(plain(str(problem)) for problem in loaded), f"{len(loaded)} problems"]
    data = {"routes": [], "problems": [_place(problem) for problem in loaded], "notes": []}
    return Answer(data, "\n".join(lines), Code.WRONG)


def _insist_on(folder: Path) -> None:
    if not folder.is_dir():
        raise Trouble(Code.WRONG, "no_folder", f"there is no folder {folder}")


def _place(problem: Problem) -> dict[str, object]:
    return {"file": problem.file, "line": problem.line, "message": problem.sentence}
