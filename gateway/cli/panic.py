"""`panic`: everything to legacy within a second, by a file; it needs no database and no token."""

from __future__ import annotations

import json
import os
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from gateway.cli.access import AdminUrl
from gateway.cli.command import command
from gateway.cli.output import Answer, Code, Trouble

CONFIRM_S: Final = 3.0  # the gateway acts within a quarter of a second, its workers are asked twice a second
ANSWER_S: Final = 1.0
MOST_BYTES: Final = 4 * 1024 * 1024

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
    """Send everything to legacy, whatever the flags say; --off ends it.

    It makes a file in the state folder, which every process of a gateway watches, and asks /readyz whether the
    gateway has seen it. The database is not needed. It stays on over restarts. Flags are left as they are.
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
    deadline = time.monotonic() + CONFIRM_S
    while (seen := _seen(url)) != {on} and time.monotonic() < deadline:
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


def _seen(url: str) -> set[bool]:
    """Whether the gateway there is in panic, and its workers: one answer when they agree, none when it says nothing."""
    ready = _ready(url)
    workers = ready.get("workers", [])
    said = [ready, *workers] if isinstance(workers, list) else [ready]
    found = {one.get("panic") for one in said if isinstance(one, dict)}
    return {answer for answer in found if isinstance(answer, bool)}


def _ready(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/readyz")
        found = json.loads(connection.getresponse().read(MOST_BYTES))
    except (OSError, HTTPException, ValueError):
        return {}
    finally:
        connection.close()
    return found if isinstance(found, dict) else {}
