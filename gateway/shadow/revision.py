"""What evidence is about: short digests of a route's rules and of the new side that answered. Pure.

Moving a rule within its file, or giving it a better reason, changes nothing that was found; what it allows does.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from gateway.diff.rules import Rule, Rules


def revision_of(rules: Rules, new_version: str) -> str:
    """The revision of a route: evidence of another one says nothing about this one."""
    scoped = [f"{rule_id(rule)} {rule.until}" for rule in rules.rules]
    paired = [f"{keyed.where.text} {keyed.by}" for keyed in rules.arrays]
    return _digest([*scoped, *paired, *sorted(rules.headers), new_version])


def rule_id(rule: Rule) -> str:
    """The name under which a rule's hits are counted: by what it allows, wherever it stands."""
    scope = rule.scope
    limits = [str(scope.legacy), str(scope.new), *sorted(scope.cases)]
    return _digest([rule.where.text, *sorted(rule.kinds), str(rule.reading), *limits])


def _digest(parts: Iterable[str]) -> str:
    return sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:12]
