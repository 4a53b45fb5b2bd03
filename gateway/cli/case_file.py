"""Writes a case file of a mismatch, read first as the loader will read it. A file that exists stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.cli.findings import Group
from gateway.cli.replay import NotReplayable, case_name, case_text, request_of
from gateway.contract.cases import case_of
from gateway.contract.fields import root
from gateway.contract.files import Problem
from gateway.contract.identities import Identity
from gateway.contract.load import Contracts
from gateway.contract.node import parse
from gateway.routing.table import RouteTable
from gateway.shadow.stratum import role_in

_UNAUTHENTICATED = 401


def write_case(group: Group, finding: Mapping[str, Any], contracts: Contracts, folder: Path) -> Path:
    """Write the case and return its file; NotReplayable when no case can be made of the request.

    A file of the same name is another finding of the same place, perhaps edited since: it stays.
    """
    identity = identity_for(finding, contracts.identities.by_name)
    text = case_text(group, finding, identity)
    file = folder / f"{case_name(group)}.yaml"
    _insist_that_it_loads(text, file, request_of(finding), contracts)
    folder.mkdir(exist_ok=True)
    try:
        with file.open("x") as opened:
            opened.write(text)
    except FileExistsError:
        pass
    return file


def identity_for(finding: Mapping[str, Any], identities: Mapping[str, Identity]) -> str | None:
    """Who of identities.yaml asks as the caller did: of the same role, or with a bad token where legacy refused it.

    None for a caller without a token, and where there is nobody like that.
    """
    role = str(request_of(finding)["role"])
    if not role:
        return None
    if finding["control_status"] == _UNAUTHENTICATED:
        refused = [one for one in identities.values() if one.bearer is not None or one.expires_in_s <= 0]
        return refused[0].name if refused else None
    alike = [
        one
        for one in identities.values()
        if one.claims is not None and one.expires_in_s > 0 and role_in(one.claims) == role
    ]
    return alike[0].name if alike else None


def _insist_that_it_loads(text: str, file: Path, asked: Mapping[str, Any], contracts: Contracts) -> None:
    """Refuse a text that the loader would refuse, or would read as another request."""
    problems: list[Problem] = []
    node = parse(text, file=file.name)
    fields = None if isinstance(node, Problem) else root(node, file=file.name, problems=problems)
    contract = contracts.by_key[file.parent.parent.name]
    case = None
    if fields is not None:
        case = case_of(fields, route=contract.route, name=file.stem, identities=contracts.identities.by_name)
    if case is None or problems:
        said = node if isinstance(node, Problem) else problems[0] if problems else "it is no case"
        raise NotReplayable(f"no case can be made of its request: {said}")
    body = None if asked["body"] is None else asked["body"].encode()
    if (case.method, case.target, case.body) != (asked["method"], asked["target"].encode(), body):
        raise NotReplayable("its request would not be the same in a file")
    match = RouteTable(one.route for one in contracts.by_key.values()).match(case.method, case.path)
    if match is None or match.route.key != contract.route.key:
        raise NotReplayable("its request belongs to another route of this folder")
