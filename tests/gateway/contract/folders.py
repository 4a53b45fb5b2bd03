"""Contracts folders for tests: a good one, written anew for each test, and what a test changes in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from gateway.contract.files import Problem
from gateway.contract.load import Contracts, load

TODAY = date(2026, 11, 21)

ROUTE = """\
route: POST /api/lots
effect: write
group: lots
stickiness: jwt.sub
shadow_write: rolled_back
"""
DIFFERENCES = """\
allow:
  - where: body/weight_kg
    as: number
    because: the pg driver prints numerics as strings
    owner: lots
    until: 2027-06-30
"""
CASE = """\
why: only the code is required
as: operator
request: {method: POST, target: /api/lots, json: {lot_code: RAW-9}}
expect: {status: 201}
"""
IDENTITIES = """\
secret: SUPABASE_JWT_SECRET
identities:
  operator: {claims: {sub: a}}
  anonymous: none
"""
GOOD = {
    "lots.create/route.yaml": ROUTE,
    "lots.create/differences.yaml": DIFFERENCES,
    "lots.create/cases/minimal.yaml": CASE,
    "identities.yaml": IDENTITIES,
}


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """The folder `contracts` with these files."""
    contracts = folder / "contracts"
    for name, content in files.items():
        path = contracts / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    contracts.mkdir(exist_ok=True)
    return contracts


def loaded(folder: Path, **changed: str | bytes) -> Contracts | list[Problem]:
    """The good folder with files changed; `__` in a name stands for a slash, `_yaml` for the ending."""
    names = {name.replace("__", "/").replace("_yaml", ".yaml"): content for name, content in changed.items()}
    return load(write(folder, {**GOOD, **names}), today=TODAY)


def problem(folder: Path, name: str, content: str | bytes) -> Problem:
    """The one problem of the good folder with one file changed."""
    found = load(write(folder, {**GOOD, name: content}), today=TODAY)
    assert isinstance(found, list), "nothing is wrong"
    (only,) = found
    return only


def right(found: Contracts | list[Problem]) -> Contracts:
    """The contracts of a folder in which nothing is wrong."""
    assert isinstance(found, Contracts), [str(one) for one in found]
    return found
