"""The tree of commands: which module brings which, and in which order the help shows them."""

from __future__ import annotations

from typing import Annotated

import typer

application = typer.Typer(
    name="strangler",
    help="Move a legacy HTTP API to a new backend route by route, and prove that both answer the same.",
    epilog="Exit codes: 0 yes, 1 the answer is no, 2 wrong usage or configuration, 3 could not be reached.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # boxes cut long option names at 80 columns
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("strangler-gateway"))
        raise typer.Exit


@application.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before a command."""
    del version


def _grow() -> None:
    # importing a module registers its commands; the order here is the order of the help
    from gateway.cli import contracts, database, evidence, override, panic, promoting, rollout, routes, running, tokens
    from gateway.cli.demo import command as demo

    for branch in (demo, running, routes, evidence, promoting, rollout, panic, override):
        branch.register(application)
    for name, group in (("contracts", contracts), ("db", database), ("tokens", tokens)):
        application.add_typer(group.group, name=name)


_grow()
