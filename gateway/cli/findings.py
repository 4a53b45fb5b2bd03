"""Mismatches as the admin plane tells them, made ready for people: one group for each cluster. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

REST = "…"  # the place of the cluster that counts what a route has no room for


@dataclass(frozen=True, slots=True)
class Example:
    """One request of a group: where it differed there, both values, and the request itself."""

    where: str
    control: str | None
    candidate: str | None
    finding: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Group:
    """One kind of difference at one place; the examples come newest first. `current`: seen since the last change."""

    id: int
    outcome: str
    kind: str
    where: str
    seen: int
    first_seen: str
    last_seen: str
    current: bool
    examples: tuple[Example, ...]

    @property
    def is_rest(self) -> bool:
        """Whether this is many places, of which nobody knows which."""
        return self.where == REST

    @property
    def is_failure(self) -> bool:
        """Whether the new side gave no answer in any of its examples: no rule allows that."""
        return bool(self.examples) and all(one.finding["candidate_status"] is None for one in self.examples)


def groups_of(told: Mapping[str, Any]) -> list[Group]:
    """The groups, in the order in which they are told."""
    findings = {int(finding["id"]): finding for finding in told["findings"]}
    return [
        Group(
            id=int(cluster["id"]),
            outcome=str(cluster["outcome"]),
            kind=str(cluster["kind"]),
            where=str(cluster["where"]),
            seen=int(cluster["count"]),
            first_seen=str(cluster["first_seen"]),
            last_seen=str(cluster["last_seen"]),
            current=bool(cluster["current"]),
            examples=tuple(_examples(cluster["exemplars"], findings)),
        )
        for cluster in told["clusters"]
    ]


def _examples(told: Sequence[Mapping[str, Any]], findings: Mapping[int, Mapping[str, Any]]) -> Iterable[Example]:
    for one in told:
        finding = findings.get(int(one["finding"]))
        if finding is not None:
            yield Example(str(one["where"]), one["control"], one["candidate"], finding)


def rule_for(group: Group, *, owner: str, until: date) -> str:
    """The YAML that would allow this difference; the reason is left for a person to find."""
    where = group.where
    if where.replace("/*", "") == "body" and group.examples:
        where = group.examples[0].where  # a rule may not stand for the whole body
    lines = [f"  - where: {_scalar(where)}", f"    kind: {group.kind}"]
    if group.examples:
        finding = group.examples[0].finding
        statuses = finding["control_status"], finding["candidate_status"]
        if None not in statuses and (statuses[0] != statuses[1] or where == "body"):
            lines.append(f"    when: {{legacy: {statuses[0]}, new: {statuses[1]}}}")
    lines += ["    because: WHY THIS IS RIGHT", f"    owner: {_scalar(owner)}", f"    until: {until}"]
    return "\n".join(lines)


def _scalar(text: str) -> str:
    """A plain YAML scalar where that is safe, else a double-quoted one, which JSON's strings are."""
    return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9_/*.-]*", text) else json.dumps(text)
