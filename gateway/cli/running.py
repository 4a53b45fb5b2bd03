"""`run` starts a gateway, `check` says whether one would start; both read the settings the same way."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Any

import typer

from gateway.cli.command import command
from gateway.cli.options import TakesSettings, reader_of, settings_of
from gateway.cli.output import Answer, Code, Trouble

if TYPE_CHECKING:
    from gateway.settings.model import Settings


def register(group: typer.Typer) -> None:
    """Put the commands into the tree."""
    command(
        group,
        "run",
        cls=TakesSettings,
        examples="""
        strangler run --legacy http://127.0.0.1:3001
        strangler run --legacy https://api.example.com --new services.app:build --contracts contracts
        STRANGLER_LEGACY=http://127.0.0.1:3001 strangler run --listen 0.0.0.0:8080
        """,
    )(run)
    command(
        group,
        "check",
        cls=TakesSettings,
        examples="""
        strangler check --legacy http://127.0.0.1:3001 --contracts contracts
        strangler check --json
        """,
    )(check)


def run(context: typer.Context, as_json: bool = False) -> Answer:
    """Run a gateway until Ctrl-C or SIGTERM.

    Every option is also a variable STRANGLER_<NAME> and a key of strangler.yaml; the option wins, then the variable.
    """
    from gateway.app import start
    from gateway.app.opening import CannotStart
    from gateway.upstream.lifespan import StartupFailed

    settings = settings_of(context)
    try:
        # a gateway shows its first token on standard output, where programs expect one document
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            code = start.run(settings, reader_of(context))
    except CannotStart as refused:
        raise Trouble(Code.WRONG, "cannot_start", "\n".join(refused.problems), problems=refused.problems) from refused
    except StartupFailed as failed:
        raise Trouble(Code.WRONG, "cannot_start", f"--new {settings.new} cannot start: {failed}") from failed
    return Answer({"exit_code": code}, None, Code(code))


def check(context: typer.Context) -> Answer:
    """Say whether a gateway would start with these settings.

    It also tries the legacy backend: a gateway starts without it, and answers 502 until it is there.
    """
    from gateway.cli.checks import findings

    settings: Settings = settings_of(context)
    found = findings(settings)
    code = max((one.code for one in found), default=Code.YES, key=_weight)
    data = {
        "would_start": all(one.code in (Code.YES, Code.UNREACHABLE) for one in found),
        "checks": [{"name": one.name, "ok": one.code is Code.YES, "says": one.sentences} for one in found],
    }
    return Answer(data, _table(found), code)


def _weight(code: Code) -> int:
    """Wrong configuration counts more than a backend that is down at this moment."""
    return {Code.YES: 0, Code.UNREACHABLE: 1, Code.NO: 2, Code.WRONG: 3}[code]


def _table(found: list[Any]) -> Any:
    from rich.table import Table

    from gateway.cli.output import plain

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for one in found:
        table.add_row("ok" if one.code is Code.YES else "NO", one.name, plain("\n".join(one.sentences)))
    return table
