"""`panic`: everything to legacy within a second, by a file; it needs no database and no token."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli.access import AdminUrl
from gateway.cli.command import command
from gateway.cli.output import Answer, Code, Trouble

CONFIRM_S: Final = 3.0  # the gateway acts within a quarter of a second, its workers are asked twice a second

_State = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        envvar="STRANGLER_STATE",
        help="The gateway's state folder; else strangler.yaml's, else .strangler.",
    ),
]
_Wanted = Annotated[bool, typer.Option("--on/--off", help="Whether everything goes to legacy.")]


def register(group: typer.Typer) -> None:
    """Put the command into the tree."""
    command(
        group,
        "panic",
        examples="""
        strangler panic
        strangler panic --state /var/lib/strangler
        strangler panic --off
        """,
    )(panic)


def panic(on: _Wanted = True, state: _State = None, admin_url: AdminUrl = None) -> Answer:
    """Send everything to legacy at once; --off ends it.

    Flags are overruled, and stay as they are. It makes a file in the state folder, which every process of a gateway
    watches, and asks /readyz whether the gateway has seen it. The database is not needed. It stays on over restarts.
    """
    from gateway.cli.place import known_admin_plane, state_folder
    from gateway.db.panic import PanicFile

    folder = state or state_folder()
    if not folder.is_dir():
        sentence = f"there is no state folder {folder.absolute()}: --state names the gateway's"
        raise Trouble(Code.WRONG, "no_state_folder", sentence)
    file = PanicFile(folder)
    try:
        file.make(f"user {os.getuid()}") if on else file.remove()
    except OSError as error:
        hint = "; SIGUSR1 to the gateway turns it on without a file" if on else ""
        sentence = f"{file.path} cannot be {'made' if on else 'removed'}: {error.strerror}{hint}"
        raise Trouble(Code.UNREACHABLE, "panic_file", sentence) from error
    return _answer(on, file.path.absolute(), known_admin_plane(admin_url, None).url)


def _answer(on: bool, path: Path, url: str) -> Answer:
    """What became of it; the file alone proves nothing, it may lie in another folder than the gateway's."""
    from gateway.cli.readyz import in_panic

    deadline = time.monotonic() + CONFIRM_S
    while (seen := in_panic(url)) != {on} and time.monotonic() < deadline:
        time.sleep(0.1)
    data = {"panic": on, "file": str(path), "admin_url": url, "in_force": seen == {on}}
    made = f"{path} is {'there' if on else 'gone'}"
    if seen == {on}:
        return Answer(data, "panic: everything goes to legacy" if on else "the panic is over: the flags are in force")
    if not seen:
        hint = "a gateway with this folder follows it all the same; --admin-url says where to ask"
        return Answer(data, f"{made}, but {url} does not answer: {hint}", Code.UNREACHABLE)
    who = "some workers of the gateway" if on in seen else "the gateway"
    return Answer(data, f"{made}, but {who} at {url} did not follow it: is this its --state?", Code.NO)
