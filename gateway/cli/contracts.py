"""`contracts`: are the files right, do both sides answer as they say, and their schemas for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.command import command, subgroup
from gateway.cli.output import Answer, Code, Trouble, counted, plain

if TYPE_CHECKING:
    from gateway.contract.files import Problem
    from gateway.contract.load import Contracts
    from gateway.contract.verify import CaseResult
    from gateway.diff.verdict import Mismatch
    from gateway.message import Side

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
    from datetime import UTC, datetime

    from gateway.contract.load import Contracts, load

    _insist_on(folder)
    loaded = load(folder, today=datetime.now(UTC).date())  # as the gateway reckons
    if isinstance(loaded, Contracts):
        if not loaded.by_key:  # most likely another folder was meant
            raise Trouble(Code.WRONG, "no_contracts", f"{folder} has no routes: there is nothing to check")
        seen = counted(len(loaded.by_key), "route")
        lines = [*(f"note: {plain(str(note))}" for note in loaded.notes), f"{seen}, all right"]
        data = {"routes": sorted(loaded.by_key), "problems": [], "notes": [_place(note) for note in loaded.notes]}
        return Answer(data, "\n".join(lines))
    lines = [*(plain(str(problem)) for problem in loaded), counted(len(loaded), "problem")]
    data = {"routes": [], "problems": [_place(problem) for problem in loaded], "notes": []}
    return Answer(data, "\n".join(lines), Code.WRONG)


@command(
    group,
    "verify",
    examples="""
    strangler contracts verify
    strangler contracts verify --only lots.create --only runs.get/missing
    strangler contracts verify --junit reports/contracts.xml
    strangler contracts verify --legacy http://127.0.0.1:3001 --new http://127.0.0.1:8000
    """,
)
def verify(
    folder: _Folder = Path("contracts"),
    legacy: Annotated[str | None, typer.Option(metavar="URL", help="The legacy side, when it runs already.")] = None,
    new: Annotated[str | None, typer.Option(metavar="URL", help="The new side, when it runs already.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="ROUTE", help="A route, or ROUTE/CASE; can be given several times.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the results as JUnit XML, in a folder that is made.")
    ] = None,
    database_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="PostgreSQL where databases may be made for the run; else an embedded one."),
    ] = None,
) -> Answer:
    """Ask both sides every case, and say where they do not answer as the contracts say.

    Without addresses both sides are started from backends.yaml, each with a database of its own that is seeded
    anew before every case. Sides that run already are asked as they are, and the cases that write do write.
    """
    from gateway.cli.demo.files import Folder
    from gateway.cli.place import state_folder
    from gateway.cli.verify import Run, run_cases
    from gateway.contract.report import report
    from gateway.contract.verify import exit_code, unused_rules

    contracts = _loaded(folder)
    _insist_on_cases(contracts, only or [])
    if junit is not None:
        _make_room(junit)
    results = run_cases(Run(contracts, only or [], _sides(legacy, new), database_url, Folder(state_folder()).scratch))
    unused = unused_rules(contracts, results)
    if junit is not None:
        _write(results, junit)
    data = {"cases": [_case(result) for result in results], "unused_rules": [rule.origin for rule in unused]}
    return Answer(data, report(results, unused=unused), Code(exit_code(results)))


def _loaded(folder: Path) -> Contracts:
    from datetime import UTC, datetime

    from gateway.contract.load import Contracts, load

    _insist_on(folder)
    loaded = load(folder, today=datetime.now(UTC).date())  # as the gateway reckons
    if isinstance(loaded, Contracts):
        return loaded
    sentence = "\n".join([*(str(problem) for problem in loaded), "nothing was asked"])
    raise Trouble(Code.WRONG, "bad_contracts", sentence, problems=[_place(problem) for problem in loaded])


def _insist_on_cases(contracts: Contracts, only: list[str]) -> None:
    """A run that asks nothing proves nothing, so it does not end with 0."""
    from gateway.contract.verify import select

    cases, unknown = select(contracts, only)
    if unknown:
        raise Trouble(Code.WRONG, "unknown_case", f"--only: there is no route or case {', '.join(unknown)}")
    if not cases:
        raise Trouble(Code.WRONG, "no_cases", "there is no case to run")


def _sides(legacy: str | None, new: str | None) -> dict[Side, str] | None:
    from pydantic import TypeAdapter, ValidationError

    from gateway.message import Side
    from gateway.settings.values import Origin

    if legacy is None and new is None:
        return None
    if legacy is None or new is None:
        raise Trouble(Code.WRONG, "one_side", "give both --legacy and --new, or neither to have both started")
    origin: TypeAdapter[str] = TypeAdapter(Origin)
    try:
        return {side: origin.validate_python(url) for side, url in ((Side.LEGACY, legacy), (Side.NEW, new))}
    except ValidationError as error:
        raise Trouble(Code.WRONG, "bad_url", error.errors()[0]["msg"].removeprefix("Value error, ")) from error


def _make_room(file: Path) -> None:
    """Make the folder of a file and open it before anything is asked: a run is long, and its results would be lost."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.open("ab").close()
    except OSError as error:
        raise _not_written(file, error) from error


def _write(results: list[CaseResult], file: Path) -> None:
    from gateway.contract.junit import write_junit

    try:
        write_junit(results, file)
    except OSError as error:
        raise _not_written(file, error) from error


def _not_written(file: Path, error: OSError) -> Trouble:
    return Trouble(Code.WRONG, "not_written", f"--junit {file} cannot be written: {error.strerror}")


@command(
    group,
    "schema",
    examples="""
    strangler contracts schema route
    strangler contracts schema --write contracts/schema
    """,
)
def schema(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One file's schema; all of them if left out.")
    ] = None,
    write: Annotated[Path | None, typer.Option(metavar="DIR", help="Write every schema into this folder.")] = None,
) -> Answer:
    """Print the JSON Schema of a contract file, for editors."""
    from gateway.contract.schema import SCHEMAS, schema_text, write_schemas

    if name is not None and name not in SCHEMAS:
        raise Trouble(Code.WRONG, "no_schema", f"there is no schema {name}; there are {', '.join(SCHEMAS)}")
    if write is not None:
        try:
            write_schemas(write)
        except OSError as error:
            raise Trouble(Code.WRONG, "not_written", f"{write} cannot be written: {error.strerror}") from error
        files = [str(write / f"{one}.json") for one in SCHEMAS]
        return Answer({"written": files}, "\n".join(files))
    if name is not None:
        return Answer(SCHEMAS[name], schema_text(name).rstrip())
    return Answer(SCHEMAS, json.dumps(SCHEMAS, indent=2))


def _insist_on(folder: Path) -> None:
    if not folder.is_dir():
        raise Trouble(Code.WRONG, "no_folder", f"there is no folder {folder}: name the one with your contracts")


def _place(problem: Problem) -> dict[str, object]:
    return {"file": problem.file, "line": problem.line, "message": problem.sentence}


def _case(result: CaseResult) -> dict[str, object]:
    verdict = result.verdict
    return {
        "route": result.case.route,
        "case": result.case.name,
        "state": result.state.value,
        "broken": list(result.broken),
        "mismatches": [_mismatch(one) for one in verdict.mismatches] if verdict else [],
        "allowed": [{**_mismatch(one.mismatch), "rule": one.rule} for one in verdict.allowed] if verdict else [],
        "reason": verdict.reason if verdict else "",
    }


def _mismatch(mismatch: Mismatch) -> dict[str, object]:
    return {
        "kind": mismatch.kind.value,
        "where": mismatch.where,
        "legacy": mismatch.control,
        "new": mismatch.candidate,
    }
