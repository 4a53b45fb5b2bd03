"""The command that asks the gate: may a route go forward, and if not, what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gateway.cli.access import AdminUrl, Token, admin
from gateway.cli.command import command
from gateway.cli.output import Answer, Code, folded, plain
from gateway.cli.routes import Route, Stage

_To = Annotated[Stage | None, typer.Option(metavar="STAGE", help="The stage it would go to; the next one if left out.")]
_MARKS = {"pass": "ok  ", "fail": "FAIL", "inconclusive": "wait"}

_EXAMPLES = """
    strangler can-promote lots.create --to canary
    strangler can-promote lots.create --json
    """


def register(group: typer.Typer) -> None:
    """Put the command into the tree."""
    command(group, "can-promote", examples=_EXAMPLES)(can_promote)


def can_promote(route: Route, to: _To = None, admin_url: AdminUrl = None, token: Token = None) -> Answer:
    """Say whether a route may go forward, with every reason.

    Ends with 0 for yes; with 1 for no, and as long as there is too little evidence.
    """
    with admin(admin_url, token) as client:
        query = {} if to is None else {"to": to.value}
        said = client.get("routes", route, "gate", **query).data
    return Answer(said, gate_text(said), Code.YES if said["answer"] == "pass" else Code.NO)


def gate_text(said: Mapping[str, Any]) -> str:
    """The judgement as people read it: the answer, then a line for each reason, what stands in the way first."""
    heading = plain(f"{said['route']}: {said['from']} -> {said['to']}: {said['answer']}")
    if not said["reasons"]:
        return f"{heading}; this change needs no evidence"
    worst = ("fail", "inconclusive", "pass")
    reasons = sorted(said["reasons"], key=lambda each: worst.index(each["answer"]))
    since = f" since {said['since'][:19].replace('T', ' ')}" if said["since"] else ""
    about = plain(f"evidence of revision {said['revision']}{since}") if said["revision"] else "all evidence"
    return "\n".join([folded(f"{heading}, on {about}"), *(reason_line(each) for each in reasons)])


def reason_line(reason: Mapping[str, Any]) -> str:
    """One reason: how it ended, its code, its sentence."""
    line = plain(f"  {_MARKS[reason['answer']]}  {reason['code']}: {reason['sentence']}")
    return folded(line, behind=" " * 8)
