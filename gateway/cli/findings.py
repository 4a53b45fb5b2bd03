"""Mismatches for people: the same difference is told once, with its newest values and how often it was seen. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

_INDEX = re.compile(r"(?<=/)\d+(?=/|$)")


@dataclass(frozen=True, slots=True)
class Group:
    """One kind of difference at one place; list positions count as one place, because lists are long."""

    kind: str
    where: str
    seen: int
    newest: Mapping[str, Any]
    finding: Mapping[str, Any]


def grouped(findings: Iterable[Mapping[str, Any]]) -> list[Group]:
    """The differences of findings that come newest first, the most frequent first."""
    groups: dict[tuple[str, str], Group] = {}
    for finding in findings:
        places = {(str(one["kind"]), place(str(one["where"]))): one for one in reversed(finding["mismatches"])}
        for key, mismatch in places.items():
            known = groups.get(key)
            if known is None:
                groups[key] = Group(*key, 1, mismatch, finding)
            else:
                groups[key] = Group(*key, known.seen + 1, known.newest, known.finding)
    return sorted(groups.values(), key=lambda group: -group.seen)


def place(where: str) -> str:
    """The place as a rule would name it: every position in a list is `*`, unless that named the whole body."""
    starred = _INDEX.sub("*", where)
    return where if starred.replace("/*", "") == "body" else starred


def rule_for(group: Group, *, owner: str, until: date) -> str:
    """The YAML that would allow this difference; the reason is left for a person to find."""
    lines = [f"  - where: {_scalar(group.where)}", f"    kind: {group.kind}"]
    statuses = group.finding["control_status"], group.finding["candidate_status"]
    if None not in statuses and (statuses[0] != statuses[1] or group.where == "body"):
        lines.append(f"    when: {{legacy: {statuses[0]}, new: {statuses[1]}}}")
    lines += ["    because: WHY THIS IS RIGHT", f"    owner: {_scalar(owner)}", f"    until: {until}"]
    return "\n".join(lines)


def _scalar(text: str) -> str:
    """A plain YAML scalar where that is safe, else a double-quoted one, which JSON's strings are."""
    return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9_/*.-]*", text) else json.dumps(text)
