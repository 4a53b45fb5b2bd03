"""Loads a contracts folder: everything in it is right, or every problem is told. It talks to no side."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from gateway.contract.backends import Backends, backends_of
from gateway.contract.cases import NAME, Case, case_of
from gateway.contract.differences import rules_of
from gateway.contract.fields import Fields, root
from gateway.contract.files import Problem, entries, read_text
from gateway.contract.identities import Identities, identities_of
from gateway.contract.node import parse
from gateway.contract.routes import KEY, overlaps, route_of
from gateway.diff.rules import Rules
from gateway.routing.route import Route
from gateway.routing.table import RouteTable

WANTED_CASES = 3  # a good one, bad input, not found or forbidden


@dataclass(frozen=True, slots=True)
class Contract:
    """One route with the differences it is allowed and its cases, by name; `file` is its route file.

    `texts` are the texts of its route file and of its differences (None: there is no such file), as they were read.
    """

    route: Route
    rules: Rules
    cases: tuple[Case, ...]
    file: str
    line: int
    texts: tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Contracts:
    """A whole folder, by route key. `notes` is what people should know although nothing is wrong."""

    by_key: Mapping[str, Contract]
    identities: Identities
    backends: Backends | None
    notes: tuple[Problem, ...]

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every route, by key."""
        return tuple(contract.route for contract in self.by_key.values())

    def rules(self, key: str) -> Rules:
        """The rules of a route; a route that has no contract allows nothing."""
        contract = self.by_key.get(key)
        return contract.rules if contract else Rules()


def load(folder: Path, *, today: date | None = None) -> Contracts | list[Problem]:
    """The contracts of a folder, or all problems in the order of files and lines.

    With `today`, rules whose last day is over are problems and backends.yaml is read: that is for
    `contracts check` and `verify`. A gateway that starts leaves it out: an expired rule allows nothing there,
    and must not keep it down.
    """
    return _Loading(folder.resolve(), today).result()


class _Loading:
    """One run over a folder; it lives as long as `load`."""

    def __init__(self, folder: Path, today: date | None) -> None:
        self._folder = folder
        self._today = today
        self._problems: list[Problem] = []
        self._identities = Identities(None, {})
        self._backends: Backends | None = None
        self._texts: dict[Path, str] = {}  # of the files that were read

    def result(self) -> Contracts | list[Problem]:
        found: dict[str, Contract] = {}
        everything = self._entries(self._folder, self._folder.name)
        folders = [entry for entry in everything if entry.is_dir(follow_symlinks=False)]
        for entry in everything:
            if entry not in folders:
                self._top(entry)  # first, because cases name identities
        for entry in folders:
            contract = self._contract(Path(entry.path)) if entry.name != "schema" else None
            if contract is not None:
                found[contract.route.key] = contract
        self._problems += overlaps(
            (contract.route, Problem(contract.file, contract.line, "")) for contract in found.values()
        )
        if not self._problems:
            self._across(found)
        if self._problems:
            return sorted(set(self._problems))
        return Contracts(found, self._identities, self._backends, tuple(_notes(found)))

    def _entries(self, folder: Path, shown: str) -> list[os.DirEntry[str]]:
        found = entries(folder, shown=shown)
        if isinstance(found, Problem):
            self._problems.append(found)
            return []
        return found

    def _fields(self, path: Path) -> Fields | None:
        shown = str(path.relative_to(self._folder.parent))
        text = read_text(path, shown=shown)
        if isinstance(text, str):
            self._texts[path] = text
        node = parse(text, file=shown) if isinstance(text, str) else text
        if isinstance(node, Problem):
            self._problems.append(node)
            return None
        return root(node, file=shown, problems=self._problems)

    def _top(self, entry: os.DirEntry[str]) -> None:
        match entry.name:
            case "identities.yaml":
                fields = self._fields(Path(entry.path))
                if fields is not None:
                    self._identities = identities_of(fields, problems=self._problems)
            case "backends.yaml" if self._today is None:
                pass  # a gateway that starts makes no backends; their SQL files need not be where it runs
            case "backends.yaml":
                fields = self._fields(Path(entry.path))
                if fields is not None:
                    self._backends = backends_of(fields, root=self._folder.parent)
            case name:
                self._unknown(self._folder, name, "a route's folder, identities.yaml or backends.yaml")

    def _unknown(self, folder: Path, name: str, expected: str) -> None:
        shown = str(folder.relative_to(self._folder.parent))
        self._problems.append(Problem(f"{shown}/{name}", 0, f"this is not {expected}"))

    def _contract(self, folder: Path) -> Contract | None:
        if not KEY.fullmatch(folder.name) or len(folder.name) > 100:
            self._unknown(folder.parent, folder.name, "a route key like lots.create")
            return None
        names = {entry.name for entry in self._entries(folder, f"{self._folder.name}/{folder.name}")}
        for name in sorted(names - {"route.yaml", "differences.yaml", "cases"}):
            self._unknown(folder, name, "route.yaml, differences.yaml or the folder cases")
        fields = self._fields(folder / "route.yaml")
        route = route_of(fields, key=folder.name) if fields is not None else None
        differences = self._fields(folder / "differences.yaml") if "differences.yaml" in names else None
        rules = rules_of(differences, today=self._today) if differences is not None else Rules()
        if fields is None or route is None:
            return None
        cases = self._cases(folder / "cases", route) if "cases" in names else ()
        texts = self._texts[folder / "route.yaml"], self._texts.get(folder / "differences.yaml")
        return Contract(route, rules, cases, fields.file, fields.line("route"), texts)

    def _cases(self, folder: Path, route: Route) -> tuple[Case, ...]:
        found: list[Case] = []
        for entry in self._entries(folder, str(folder.relative_to(self._folder.parent))):
            name, _, ending = entry.name.rpartition(".")
            if ending != "yaml" or not NAME.fullmatch(name):
                self._unknown(folder, entry.name, "a case file like minimal.yaml (lower case, digits and -)")
                continue
            fields = self._fields(Path(entry.path))
            if fields is not None:
                case = case_of(fields, route=route, name=name, identities=self._identities.by_name)
                found += [case] if case is not None else []
        return tuple(found)

    def _across(self, found: Mapping[str, Contract]) -> None:
        """What can only be judged once every file is read."""
        table = RouteTable(contract.route for contract in found.values())
        for key, contract in found.items():
            for case in contract.cases:
                match = table.match(case.method, case.path)
                if match is None or match.route.key != key:
                    other = match.route.key if match else "no route"
                    sentence = f"the request belongs to {other}, not to {key}"
                    self._problems.append(Problem(case.file, case.line, sentence))
            self._rules_across(contract)

    def _rules_across(self, contract: Contract) -> None:
        names = {case.name for case in contract.cases}
        for rule in contract.rules.rules:
            for unknown in sorted(rule.scope.cases - names):
                file, _, line = rule.origin.rpartition(":")
                self._problems.append(Problem(file, int(line), f"when: there is no case {unknown!r}"))


def _notes(found: Mapping[str, Contract]) -> list[Problem]:
    notes: list[Problem] = []
    for contract in found.values():
        if len(contract.cases) < WANTED_CASES:
            sentence = (
                f"{contract.route.key} has {len(contract.cases)} of at least {WANTED_CASES} cases "
                "(a good one, bad input, not found or forbidden)"
            )
            notes.append(Problem(contract.file, 0, sentence))
        notes += [
            Problem(case.file, 0, f"rows ({', '.join(case.rows)}) are not compared yet; only the answers are")
            for case in contract.cases
            if case.rows
        ]
    return notes
