"""Mismatches and rules as people read them in 80 columns. What a backend sent is shown, never obeyed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from gateway.cli.findings import Example, Group, rule_for
from gateway.cli.output import plain
from gateway.cli.show import moment

_OUTCOMES = ("matched", "allowed", "mismatched", "noise", "not_comparable")
_RULE_LIVES = timedelta(days=180)  # long enough to settle it, short enough to be asked again
_VALUE = 500  # characters shown of a value; --json has what was kept


def clusters_text(
    route: str, groups: Sequence[Group], verdicts: Mapping[str, int], *, every_example: bool = False
) -> RenderableType:
    """How much was compared, each difference with both values, then the rules that would allow them."""
    compared = verdicts_text(route, verdicts)
    if not groups:
        return compared
    mismatched = [group for group in groups if group.outcome == "mismatched"]
    parts: list[RenderableType] = [compared, ""]
    parts += [_group(group, group.examples if every_example else group.examples[:1]) for group in mismatched]
    parts += [_not_comparable(group) for group in groups if group.outcome == "not_comparable"]
    noise = [group for group in groups if group.outcome == "noise"]
    if noise:
        parts.append(_noise(noise))
    if allowable := [group for group in mismatched if group.current and not group.is_rest and not group.is_failure]:
        parts.append(_how_to_allow(route, allowable))
    return Stack(*parts)


def verdicts_text(route: str, verdicts: Mapping[str, int]) -> str:
    """How many answers of a route were compared, and with what outcome."""
    total = sum(verdicts.values())
    if not total:
        return f"nothing of {route} has been compared yet: in stage shadow its reads are, and show here within seconds"
    parts = [f"{verdicts[outcome]} {outcome.replace('_', ' ')}" for outcome in _OUTCOMES if verdicts.get(outcome)]
    return f"{route}: {total} compared, {', '.join(parts)}"


def rules_text(route: str, rules: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Every rule by its line in the file, with its hits; then until when they hold."""
    if not rules:
        return f"{route} has no rules: every difference is a mismatch"
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("line", "where", "allows", "when", "hits", "last hit"):
        table.add_column(column, overflow="fold")
    for rule in rules:
        last = "never" if rule["last_hit"] is None else moment(rule["last_hit"])[:10]
        allowed = rule["as"] or ", ".join(rule["kind"])
        table.add_row(_line_of(rule), _line(rule["where"]), allowed, _when(rule["when"]), str(rule["hits"]), last)
    silent = sum(not rule["hits"] for rule in rules)
    notes = [f"{silent} of {len(rules)} never hit on live traffic"] if silent else []
    notes += [_ending(until, rules) for until in sorted({rule["until"] for rule in rules})]
    file = plain(str(rules[0]["rule"]).rpartition(":")[0])
    return Stack(Text(file), table, Text("\n".join(["", *notes])))


def _line_of(rule: Mapping[str, Any]) -> str:
    return str(rule["rule"]).rpartition(":")[2]


def _when(when: Mapping[str, Any]) -> str:
    """What a rule is limited to: the statuses of legacy/new, contract cases."""
    statuses = [when["legacy"], when["new"]]
    shown = "/".join("any" if one is None else str(one) for one in statuses) if any(statuses) else ""
    return " ".join(part for part in (shown, "cases" if when["case"] else "") if part) or "always"


def _ending(until: str, rules: Sequence[Mapping[str, Any]]) -> str:
    """Which rules end on this day, or have ended."""
    those = [rule for rule in rules if rule["until"] == until]
    numbers = ", ".join(_line_of(rule) for rule in those)
    which = "all of them" if len(those) == len(rules) > 1 else f"line{'' if len(those) == 1 else 's'} {numbers}"
    return f"until {until}: {which}{', OVER: allowed no more' if those[0]['expired'] else ''}"


def _group(group: Group, examples: Sequence[Example]) -> RenderableType:
    since = "" if group.current else "\n  not since the rules or the new side changed"
    what = "further places" if group.is_rest else _line(group.where)
    seen = f"{_times(group.seen)}, {moment(group.first_seen)} to {moment(group.last_seen)}{since}"
    heading = Text(f"{what}: {group.kind} [{group.id}]\n  {seen}")
    return Stack(heading, *(_example(example) for example in examples), "")


def _example(example: Example) -> RenderableType:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    table.add_row("legacy", _value(example.control))
    table.add_row("new", _value(example.candidate))
    table.add_row("request", _request(example.finding))
    if why := example.finding.get("reason"):  # a rule that has ended, say
        table.add_row("note", _line(why))
    return table


def _not_comparable(group: Group) -> RenderableType:
    lines = [f"not comparable, {_times(group.seen)}: {_line(group.where)} [{group.id}]"]
    lines += [_request(example.finding) for example in group.examples[:1]]
    return Text("\n".join([*lines, ""]))


def _noise(groups: Sequence[Group]) -> RenderableType:
    lines = [f"  {_line(group.where)}: {group.kind}, {_times(group.seen)}" for group in groups]
    return Text("\n".join(["noise, where legacy does not agree with itself:", *lines, ""]))


def _times(seen: int) -> str:
    return "seen once" if seen == 1 else f"seen {seen} times"


def _request(finding: Mapping[str, Any]) -> str:
    return _line(f"{finding['method']} {finding['target']} at {moment(finding['at'])} ({finding['request_id']})")


def _line(text: str) -> str:
    """A text that stays on its line, because a backend may name a field as it likes."""
    return plain(text).replace("\n", "\\n")


def _value(text: str | None) -> str:
    if text is None:
        return "(nothing)"
    return plain(text if len(text) <= _VALUE else f"{text[:_VALUE]}...")


def _how_to_allow(route: str, groups: Sequence[Group]) -> RenderableType:
    until = date.today() + _RULE_LIVES
    rules = [plain(rule_for(group, owner=route.partition(".")[0], until=until)) for group in groups]
    heading = f"What is right can be allowed in contracts/{route}/differences.yaml:"
    return Text("\n".join([heading, "", "allow:", *rules]))
