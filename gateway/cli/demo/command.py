"""`demo`: checks that everything it needs is free and there, then plays it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.command import command
from gateway.cli.output import Answer, Code, Trouble, put, rendered

_WHERE = "HOST:PORT"


def register(group: typer.Typer) -> None:
    """Put the command into the tree."""
    command(
        group,
        "demo",
        examples="""
        strangler demo
        strangler demo --traffic 5
        strangler demo --listen 127.0.0.1:8088 --legacy-port 3002
        strangler demo --reset
        """,
    )(demo)


def demo(
    traffic: Annotated[
        float, typer.Option(metavar="N", min=0, max=200, help="Play the frontend at N requests a second.")
    ] = 0.0,
    listen: Annotated[str, typer.Option(metavar=_WHERE, help="Where the frontend connects.")] = "127.0.0.1:8080",
    admin: Annotated[str, typer.Option(metavar=_WHERE, help="Admin API.")] = "127.0.0.1:9901",
    legacy_port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65_535, help="The legacy app's port; 0 is any, here as above.")
    ] = 3001,
    state: Annotated[
        Path, typer.Option(metavar="DIR", envvar="STRANGLER_STATE", help="Where the demo keeps its data.")
    ] = Path(".strangler"),
    reset: Annotated[bool, typer.Option("--reset", help="Stop a demo that runs here and forget its data.")] = False,
    as_json: bool = False,
) -> Answer:
    """Start the whole system on this machine; Ctrl-C stops it.

    That is PostgreSQL, the legacy app and the gateway; their data is kept for the next time.

    What runs where is also in STATE/demo.json, for programs and for the other commands in this folder.
    """
    from gateway.cli.demo.files import Folder

    folder = Folder(state)
    if reset:
        return _reset(folder)
    return _play(folder, listen=listen, admin=admin, legacy_port=legacy_port, traffic=traffic, as_json=as_json)


def _reset(folder: Any) -> Answer:
    from gateway.cli.demo.reset import reset

    gone = reset(folder)
    text = f"the demo in {folder.root} is forgotten" if gone else f"there is no demo in {folder.root}"
    return Answer({"state": str(folder.root), "removed": gone}, text)


def _play(folder: Any, *, listen: str, admin: str, legacy_port: int, traffic: float, as_json: bool) -> Answer:
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # as in main(), until the demo has its own
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from gateway.cli.demo.files import Hold, take
    from gateway.cli.demo.needs import find_node, insist_on_checkout
    from gateway.cli.demo.play import Setting, play
    from gateway.cli.demo.signals import Wish
    from gateway.cli.demo.teller import Teller

    here = Path.cwd()
    insist_on_checkout(here)
    node = find_node()
    folder.make()
    hold = take(folder)
    if not isinstance(hold, Hold):
        sentence = f"a demo already runs in {folder.root} (process {hold}); Ctrl-C there, or --reset, stops it"
        raise Trouble(Code.WRONG, "already_running", sentence)
    try:
        setting = Setting(here, node, folder, *_addresses(listen, admin, legacy_port), traffic)
        with Wish() as wish:
            play(setting, wish=wish, teller=Teller(), announce=lambda notes: _announce(notes, as_json=as_json))
    finally:
        hold.release()
    return Answer(None, None)


def _addresses(listen: str, admin: str, legacy_port: int) -> tuple[tuple[str, int], tuple[str, int], tuple[str, int]]:
    """The three addresses, all free; port 0 has become a port by now."""
    from gateway.cli.ports import free_port, insist_on_free

    wanted = {"--listen": listen, "--admin": admin, "--legacy-port": f"127.0.0.1:{legacy_port}"}
    addresses = {option: _split(text, option) for option, text in wanted.items()}
    insist_on_free(addresses)
    first, second, third = ((host, port or free_port(host)) for host, port in addresses.values())
    return first, second, third


def _split(text: str, option: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise Trouble(Code.WRONG, "bad_address", f"{option}: {text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _announce(notes: dict[str, Any], *, as_json: bool) -> None:
    import json

    from gateway.cli.demo.present import table

    put(json.dumps(notes, indent=2) + "\n" if as_json else "\n" + rendered(table(notes), sys.stdout) + "\n")
