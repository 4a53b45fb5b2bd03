"""Whether two answers surely agree, told at a glance: most do, and nobody should read them to find that out.

What does not agree here may still do so once it is read; `compare` says.
"""

from __future__ import annotations

from typing import Final

from gateway.diff.headers import COMPARED
from gateway.diff.rules import Rules
from gateway.message import Header, Headers, Observation

_MATTER: Final = {name.encode() for name in COMPARED} | {b"content-encoding"}


def agree(control: Observation, candidate: Observation, rules: Rules) -> bool:
    """Whether both gave the same status, the same bytes, and in each header that matters the same lines."""
    return (
        control.status == candidate.status
        and control.body == candidate.body
        and not (control.failure or candidate.failure or control.truncated or candidate.truncated)
        and not any(_matters(name, rules) for name, _ in _differing(control.headers, candidate.headers))
    )


def _differing(control: Headers, candidate: Headers) -> set[Header] | Headers:
    """The lines that one side has and the other has not; all of them where some share a name, and so have an order."""
    mine, theirs = dict(control), dict(candidate)
    if len(mine) < len(control) or len(theirs) < len(candidate):
        return (*control, *candidate)
    return mine.items() ^ theirs.items()


def _matters(name: bytes, rules: Rules) -> bool:
    lower = name.lower()
    return lower in _MATTER or (bool(rules.headers) and lower.decode("latin-1") in rules.headers)
