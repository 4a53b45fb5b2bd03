"""The commands about evidence: where the sides of a route differ, as a case or a command, and what its rules allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.access import AdminUrl, Token, admin
from gateway.cli.command import command
from gateway.cli.duration import parse_duration
from gateway.cli.output import Answer, Code, Trouble, plain
from gateway.cli.routes import Route

if TYPE_CHECKING:
    from gateway.cli.findings import Group
    from gateway.contract.load import Contracts

_ALL = 500

_Limit = Annotated[int, typer.Option(metavar="N", min=1, max=_ALL, help="How many places, the most frequent first.")]
_Since = Annotated[str | None, typer.Option(metavar="TIME", help="Only what was seen within it: 90s, 15m, 1h, 2d.")]
_All = Annotated[bool, typer.Option("--all", help="Every place with every example.")]
_AsCase = Annotated[
    bool, typer.Option("--as-case", help="Write a contract case for each: it fails until that is fixed or allowed.")
]
_AsCurl = Annotated[
    bool, typer.Option("--as-curl", help="Print a command for each that asks its newest request again.")
]
_Contracts = Annotated[Path, typer.Option(metavar="DIR", help="The contracts folder, for --as-case.")]


def register(group: typer.Typer) -> None:
    """Put the commands into the tree."""
    command(group, "mismatches", examples=_EXAMPLES["mismatches"])(mismatches)
    command(group, "rules", examples=_EXAMPLES["rules"])(rules)


_EXAMPLES = {
    "mismatches": """
        strangler mismatches lots.list
        strangler mismatches lots.list --since 1h --all
        strangler mismatches lots.list --as-case
        strangler mismatches lots.list --id 7 --as-curl
        """,
    "rules": """
        strangler rules lots.create
        strangler rules lots.create --json
        """,
}


def mismatches(
    route: Route,
    since: _Since = None,
    every: _All = False,
    limit: _Limit = 50,
    id_: Annotated[int | None, typer.Option("--id", metavar="ID", help="One place, by the number behind it.")] = None,
    as_case: _AsCase = False,
    as_curl: _AsCurl = False,
    contracts: _Contracts = Path("contracts"),
    admin_url: AdminUrl = None,
    token: Token = None,
) -> Answer:
    """Show where the two sides differ, and how to allow that.

    Each place is shown once, with its newest values, how often it was seen and when. What was secret is a token in
    brackets; equal tokens stand for equal values.
    """
    from gateway.cli.findings import groups_of
    from gateway.cli.show_evidence import clusters_text

    if as_case and as_curl:
        raise Trouble(Code.WRONG, "two_forms", "give --as-case or --as-curl, not both")
    query: dict[str, Any] = {"limit": _ALL if every or id_ is not None else limit}
    if since is not None:
        query["since"] = seconds(since)
    with admin(admin_url, token) as client:
        told = client.get("routes", route, "mismatches", **query).data
    groups = [group for group in groups_of(told) if id_ in (None, group.id)]
    if id_ is not None and not groups:
        raise Trouble(Code.WRONG, "unknown_place", f"there is no place {id_} where {route} differs")
    if as_case:
        return _cases(route, groups, contracts)
    if as_curl:
        return _commands(groups)
    return Answer(told, clusters_text(route, groups, told["verdicts"], every_example=every))


def rules(route: Route, admin_url: AdminUrl = None, token: Token = None) -> Answer:
    """Show what a route's rules allow, and how often each has.

    Counted are the requests of live traffic of which a rule has allowed something.
    """
    from gateway.cli.show_evidence import rules_text

    with admin(admin_url, token) as client:
        data = client.get("routes", route, "rules").data
    return Answer(data, rules_text(route, data["rules"]))


def seconds(text: str) -> int:
    """What --since says, in whole seconds."""
    found = parse_duration(text)
    if found is None or found < 1:
        raise Trouble(Code.WRONG, "bad_time", f"--since: {text!r} is no time like 90s, 15m, 1h or 2d")
    return int(found)


def _commands(groups: Iterable[Group]) -> Answer:
    from gateway.cli.place import known_data_plane
    from gateway.cli.replay import NotReplayable, curl

    printed: list[str] = []
    left_out: list[str] = []
    for group, finding in _requests(groups):
        try:
            printed.append(curl(group, finding, known_data_plane()))
        except NotReplayable as why:
            left_out.append(_left_out(group, why))
    text = "\n".join([*printed, *left_out]) or "there is nothing to ask again"
    return Answer({"commands": printed, "left_out": left_out}, text, Code.YES if printed else Code.NO)


def _cases(route: str, groups: Iterable[Group], folder: Path) -> Answer:
    from gateway.cli.case_file import write_case
    from gateway.cli.replay import NotReplayable

    contracts = _loaded(folder)
    if route not in contracts.by_key:
        raise Trouble(Code.WRONG, "no_contract", f"{folder} has no contract of {route}")
    cases = folder / route / "cases"
    there = {str(file) for file in cases.glob("*.yaml")}
    named: list[str] = []
    left_out: list[str] = []
    for group, finding in _requests(groups):
        try:
            named.append(str(write_case(group, finding, contracts, cases)))
        except NotReplayable as why:
            left_out.append(_left_out(group, why))
        except OSError as error:
            raise Trouble(Code.WRONG, "not_written", f"{folder}: {error.strerror}") from error
    shown = [f"{file} was there, and stays as it is" if file in there else file for file in named]
    lines = [*shown, *left_out] or ["there is nothing to write a case of"]
    if not there.issuperset(named):
        lines.append(f"`strangler contracts verify --only {route}` fails until each is fixed or allowed")
    return Answer({"cases": named, "left_out": left_out}, "\n".join(lines), Code.YES if named else Code.NO)


def _requests(groups: Iterable[Group]) -> Iterator[tuple[Group, Mapping[str, Any]]]:
    """The newest request of each group of mismatches; one that stands for several is told once."""
    told: set[int] = set()
    for group in groups:
        if group.outcome != "mismatched" or not group.examples:
            continue
        finding = group.examples[0].finding
        if finding["id"] not in told:
            told.add(finding["id"])
            yield group, finding


def _left_out(group: Group, why: Exception) -> str:
    return plain(f"# {group.where} ({group.kind}): {why}".replace("\n", " "))


def _loaded(folder: Path) -> Contracts:
    from gateway.contract.load import Contracts, load

    loaded = load(folder)
    if isinstance(loaded, Contracts):
        return loaded
    sentence = "\n".join([*(str(problem) for problem in loaded), "no case was written"])
    raise Trouble(Code.WRONG, "bad_contracts", sentence, problems=[str(problem) for problem in loaded])
