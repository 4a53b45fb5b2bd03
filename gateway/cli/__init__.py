"""The command line: `strangler`. Only main() decides how a process ends; commands return or raise Trouble."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    own = arguments is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    _open_what_is_closed()
    try:
        return _run(given, own_process=own)
    except SystemExit as end:  # click ends the process with 1 when the reader of --help is gone: no error here
        return 0 if end.code == 1 else int(end.code or 0)
    except KeyboardInterrupt:
        return 130
    except Exception as bug:  # noqa: BLE001  # the one place that turns a bug into a sentence
        return _confess(bug, given)


def _run(given: list[str], *, own_process: bool) -> int:
    if own_process:  # a KeyboardInterrupt may be lost while modules are made: until then Ctrl-C ends Python itself
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    import typer

    from gateway.cli.output import Code, Trouble, complain
    from gateway.cli.tree import application

    _let_any_text_out()
    if own_process:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    usage_error: Any = typer.BadParameter.__mro__[1]  # click's UsageError: from 0.26 on typer has a click of its own
    try:
        code = typer.main.get_command(application).main(given, prog_name="strangler", standalone_mode=False)
    except usage_error as error:
        error.message = error.message.replace("Value error, ", "", 1)  # pydantic's way to say that a rule is ours
        if "--json" in given:
            complain(Trouble(Code.WRONG, "usage", error.format_message()), as_json=True)
        else:
            error.show()
        return Code.WRONG
    return int(code or 0)


def _confess(bug: Exception, given: list[str]) -> int:
    from gateway.cli.command import DEBUG
    from gateway.cli.output import Code, Trouble, complain

    if DEBUG in given:
        traceback.print_exception(bug)
    sentence = f"this is a bug in strangler: {type(bug).__name__}: {bug} ({DEBUG} shows where)"
    complain(Trouble(Code.BUG, "bug", sentence), as_json="--json" in given)
    return Code.BUG


def _open_what_is_closed() -> None:
    """A standard stream that the caller has closed leads nowhere, or the next socket would have its number."""
    for handle, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(handle)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number that is free, so this one
            setattr(sys, name, open(handle, "r" if handle == 0 else "w", closefd=False))  # noqa: SIM115


def _let_any_text_out() -> None:
    """A character the terminal's encoding lacks is written as an escape, it does not end the command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
