"""Contracts on their way to another process of the same gateway: as the texts they were read from.

So every worker acts on what was found right once, whatever the files have become since. Cases stay behind: they
are for contract runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.contract.differences import rules_of
from gateway.contract.fields import Fields, root
from gateway.contract.files import Problem
from gateway.contract.identities import Identities
from gateway.contract.load import Contract, Contracts
from gateway.contract.node import parse
from gateway.contract.routes import route_of
from gateway.diff.rules import Rules


def packed(contracts: Contracts) -> dict[str, Any]:
    """What JSON can carry: by route key, the route file's name, its text, and that of its differences."""
    return {key: [contract.file, *contract.texts] for key, contract in contracts.by_key.items()}


def unpacked(carried: Mapping[str, Sequence[Any]]) -> Contracts:
    """The contracts, without cases; ValueError when they are not what `packed` makes."""
    found = {key: _contract(key, *texts) for key, texts in carried.items()}
    return Contracts(found, Identities(None, {}), None, ())


def _contract(key: str, file: str, route_text: str, differences_text: str | None) -> Contract:
    problems: list[Problem] = []
    fields = _fields(route_text, file, problems)
    route = route_of(fields, key=key)
    rules = Rules()
    if differences_text is not None:
        differences = file.removesuffix("route.yaml") + "differences.yaml"
        rules = rules_of(_fields(differences_text, differences, problems), today=None)
    if problems or route is None:
        raise ValueError("; ".join(map(str, problems)))
    return Contract(route, rules, (), file, fields.line("route"), (route_text, differences_text))


def _fields(text: str, file: str, problems: list[Problem]) -> Fields:
    node = parse(text, file=file)
    fields = None if isinstance(node, Problem) else root(node, file=file, problems=problems)
    if fields is None:
        raise ValueError(f"{file} is no table of keys and values")
    return fields
