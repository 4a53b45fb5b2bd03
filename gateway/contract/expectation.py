"""Whether one side answers what a case expects, in sentences. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.contract.cases import Expectation
from gateway.diff.body import read_body
from gateway.diff.document import Document
from gateway.diff.equality import same
from gateway.diff.pattern import Place, show
from gateway.diff.value import ABSENT, Absent, Found, Unreadable, Value, brief, cut
from gateway.message import Observation


def broken(expected: Expectation, answer: Observation) -> Iterator[str]:
    """One sentence for each expectation that an answer does not meet; a failure has its own report."""
    if answer.failure is not None:
        return
    side = answer.side
    if expected.status is not None and answer.status != expected.status:
        yield f"{side} answers {answer.status}, the case expects {expected.status}"
    for name, value in expected.headers.items():
        lines = [found.decode("latin-1").strip() for key, found in answer.headers if key.lower() == name.encode()]
        if ", ".join(lines) != value:
            found = cut(", ".join(lines)) if lines else "missing"
            yield f"{side}: header/{name} is {found}, the case expects {value}"
    if not isinstance(expected.body, Absent):
        yield from _body(expected.body, answer)


def _body(expected: Value, answer: Observation) -> Iterator[str]:
    body = read_body(answer)
    if isinstance(body, Unreadable):
        yield f"{answer.side}: {body.reason}"
    elif not isinstance(body, Document):
        yield f"{answer.side}: the body is not JSON, the case expects some"
    else:
        for place, wanted, found in _missing(("body",), expected, body.value):
            shown = brief(found) or "missing"
            yield f"{answer.side}: {cut(show(place))} is {shown}, the case expects {brief(wanted)}"


def _missing(place: Place, wanted: Value, found: Found) -> Iterator[tuple[Place, Value, Found]]:
    """Where a wanted part is not there; as deep as a case file may be, so recursion is bounded."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key, value in wanted.items():
            yield from _missing((*place, key), value, found.get(key, ABSENT))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for at, (value, other) in enumerate(zip(wanted, found, strict=True)):
            yield from _missing((*place, str(at)), value, other)
    elif isinstance(found, Absent) or not same(wanted, found):
        yield place, wanted, found
