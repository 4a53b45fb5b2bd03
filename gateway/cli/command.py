"""What all commands have in common: examples in their help, --json, --debug, and the way they end.

A command is a function that returns an Answer or raises Trouble; here it becomes a typer command.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand

from gateway.cli.output import Answer, Trouble, complain, say

DEBUG = "--debug"

_Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON document on standard output.")]
_Debug = Annotated[bool, typer.Option(DEBUG, help="Show the traceback when the gateway itself fails.")]


def subgroup(help_: str) -> typer.Typer:
    """A group of commands under one name."""
    return typer.Typer(help=help_, no_args_is_help=True, rich_markup_mode=None)


def command(
    group: typer.Typer, name: str, *, examples: str, cls: type[TyperCommand] = TyperCommand
) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
    """Register a command; the first line of its docstring is its help, one line of `examples` an example."""

    def register(work: Callable[..., Answer]) -> Callable[..., Answer]:
        lines = [f"  {line.strip()}" for line in examples.strip().splitlines()]
        epilog = "\n".join(["\b", "Examples:", *lines])  # click leaves a paragraph that starts with \b as it is
        group.command(name, help=inspect.getdoc(work), epilog=epilog, cls=cls)(_ending(work))
        return work

    return register


def _ending(work: Callable[..., Answer]) -> Callable[..., int]:
    """The function typer calls: it takes the common options too and returns the exit code.

    A command that speaks before it ends (the demo) names `as_json` itself.
    """

    @wraps(work)
    def run(*, as_json: bool, debug: bool, **given: Any) -> int:
        del debug  # main() has read it: it must work for failures before this line, too
        if speaks_early:
            given["as_json"] = as_json
        try:
            answer = work(**given)
        except Trouble as trouble:
            complain(trouble, as_json=as_json)
            return int(trouble.code)
        say(answer, as_json=as_json)
        return int(answer.code)

    own = inspect.signature(work).parameters
    speaks_early = "as_json" in own
    hints = get_type_hints(work, include_extras=True)
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
        for name, one in own.items()
        if name != "as_json"
    ]
    for name, annotation in (("as_json", _Json), ("debug", _Debug)):
        parameter = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)
        parameters.append(parameter)
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer reads the signature
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run
