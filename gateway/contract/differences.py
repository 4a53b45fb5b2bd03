"""differences.yaml into rules; a rule without a reason, an owner and a last day is no rule."""

from __future__ import annotations

import re
from datetime import date

from gateway.contract.fields import Fields
from gateway.diff.pattern import MAX_SEGMENTS, Pattern
from gateway.diff.readers import Reading
from gateway.diff.rules import Keyed, Rule, Rules, Scope, kinds_for
from gateway.diff.verdict import Kind

MAX_RULES = 200
_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)


def rules_of(fields: Fields, *, today: date | None) -> Rules:
    """The rules of a file; with a day given, rules that are over by then are problems."""
    rows = fields.rows("allow")
    if len(rows) > MAX_RULES:
        fields.wrong(f"more than {MAX_RULES} rules", "allow")
        rows = ()
    rules: list[Rule] = []
    arrays: list[Keyed] = []
    for row in rows:
        rule = _rule(row, today)
        if rule is not None:
            rules.append(rule)
            arrays += _keyed(row, rule.where)
    for row in _arrays(fields):
        arrays += _keyed(row, _where(row))
    headers = fields.texts("headers") or ()
    for name in headers:
        if not _HEADER.fullmatch(name):
            fields.wrong(f"{name!r} is no header name", "headers")
    fields.finish()
    return Rules(tuple(rules), frozenset(name.lower() for name in headers), tuple(arrays))


def _arrays(fields: Fields) -> tuple[Fields, ...]:
    """`arrays:`, which says how elements are paired and allows nothing."""
    rows = fields.rows("arrays")
    if len(rows) > MAX_RULES:
        fields.wrong(f"more than {MAX_RULES} arrays", "arrays")
        return ()
    for row in rows:
        row.has("where")
        if not row.has("by"):
            row.wrong("by is missing: by what the elements belong together, like by: id")
        row.finish()
    return rows


def _keyed(row: Fields, where: Pattern | None) -> tuple[Keyed, ...]:
    """How the elements of an array are paired, where a row says so."""
    by = row.texts("by")
    if not by or where is None:
        return ()
    if where.segments[0] != "body":
        row.wrong("by is about an array of the body", "where")
        return ()
    places = tuple(tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")) for text in by)
    if any("" in place or len(place) > MAX_SEGMENTS for place in places):
        row.wrong("by must name a key of each element, like id or node/id", "by")
        return ()
    return (Keyed(where, places),)


def _rule(row: Fields, today: date | None) -> Rule | None:
    where = _where(row)
    kinds = _kinds(row)
    reading = row.choice("as", tuple(Reading))
    because, owner = row.text("because", required=True), row.text("owner", required=True)
    until = _until(row, today)
    scope = _scope(row)
    if row.has("by") and reading != Reading.UNORDERED:
        row.wrong("by goes with as: unordered here; under arrays: it says how elements are paired, order aside", "by")
    row.finish()
    if not (where and because and owner and until) or kinds is None or (reading is None and row.has("as")):
        return None
    about = kinds_for(Reading(reading) if reading else None, kinds, where)
    if not about:
        row.wrong("kind is missing (or as: how both values are read)")
        return None
    unlimited = scope.legacy is None and scope.new is None and not scope.cases
    if where.segments == ("body",) and unlimited and about != {Kind.ORDER}:
        row.wrong("where: body is the whole body; limit the rule with when: (legacy, new or case)", "where")
    return Rule(
        where=where,
        kinds=about,
        because=because,
        owner=owner,
        until=until,
        origin=f"{row.file}:{row.table.line}",
        reading=Reading(reading) if reading else None,
        scope=scope,
    )


def _where(row: Fields) -> Pattern | None:
    text = row.text("where", required=True)
    if text is None:
        return None
    try:
        return Pattern.parse(text)
    except ValueError as error:
        row.wrong(f"where: {error}", "where")
        return None


def _kinds(row: Fields) -> list[Kind] | None:
    names = row.texts("kind") or ()
    unknown = [name for name in names if name not in tuple(Kind)]
    if unknown:
        row.wrong(f"kind is {unknown[0]!r}, it must be one of {', '.join(Kind)}", "kind")
        return None
    return [Kind(name) for name in names]


def _until(row: Fields, today: date | None) -> date | None:
    text = row.text("until", required=True)
    if text is None:
        return None
    try:
        until = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        until = None
    if until is None:
        row.wrong(f"until is {text!r}, it must be a day like 2027-06-30", "until")
    elif today is not None and until < today:
        row.wrong(f"the rule ended on {until}; settle the difference, or decide anew until when it may stay", "until")
    return until


def _scope(row: Fields) -> Scope:
    when = row.fields("when")
    if when is None:
        return Scope()
    legacy = when.integer("legacy", low=100, high=599)
    new = when.integer("new", low=100, high=599)
    cases = when.texts("case") or ()
    when.finish()
    return Scope(legacy, new, frozenset(cases))
