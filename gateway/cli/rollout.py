"""The command that moves a route by steps: begins a rollout, shows it, watches it, ends it."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.access import AdminUrl, Token, admin
from gateway.cli.command import command
from gateway.cli.duration import parse_duration, show_duration
from gateway.cli.output import Answer, Code, Trouble, counted, folded, plain, put
from gateway.cli.routes import Reason, Route

if TYPE_CHECKING:
    from gateway.cli.admin_client import AdminClient

LOOK_S: Final = 1.0
_GOES_ON: Final = "running"

_Steps = Annotated[
    str | None, typer.Option(metavar="SHARE,...", help="Begin one, by these shares of callers; `new` may be the last.")
]
_Bake = Annotated[str, typer.Option(metavar="TIME", help="How long each step bakes before the next: 30s, 10m, 2h.")]
_Watch = Annotated[bool, typer.Option("--watch", help="Stay, and tell each change, until it is over.")]
_Cancel = Annotated[bool, typer.Option("--cancel", help="End it; the route stays where it is.")]
_Resume = Annotated[bool, typer.Option("--resume", help="Go on after the gate said no.")]

_EXAMPLES = """
    strangler rollout lots.create --steps 1%,5%,25%,100%,new --bake 10m
    strangler rollout lots.create --steps 5%,50% --bake 30s --watch
    strangler rollout lots.create
    strangler rollout lots.create --resume
    strangler rollout lots.create --cancel
    """


def register(group: typer.Typer) -> None:
    """Put the command into the tree."""
    command(group, "rollout", examples=_EXAMPLES)(rollout)


def rollout(
    route: Route,
    steps: _Steps = None,
    bake: _Bake = "10m",
    watch: _Watch = False,
    cancel: _Cancel = False,
    resume: _Resume = False,
    reason: Reason = "",
    admin_url: AdminUrl = None,
    token: Token = None,
    as_json: bool = False,
) -> Answer:
    """Move a route forward by steps, each of them through the gate.

    The gateway takes the steps, whether this command stays or not. Without an option it
    shows the newest rollout of the route.
    """
    if (steps is not None) + cancel + resume > 1:
        raise Trouble(Code.WRONG, "usage", "give one of --steps, --cancel and --resume")
    with admin(admin_url, token) as client:
        said = _asked(client, route, steps, _seconds(bake), cancel=cancel, resume=resume, reason=reason)
        if watch:
            said = _watched(client, route, said, quiet=as_json)
    over_badly = said["state"] in ("paused", "cancelled", "ended") and not cancel
    return Answer(said, rollout_text(said), Code.NO if over_badly else Code.YES)


def _asked(
    client: AdminClient, route: str, steps: str | None, bake_s: float, *, cancel: bool, resume: bool, reason: str
) -> Mapping[str, Any]:
    place = ("routes", route, "rollout")
    if steps is not None:
        body = {"steps": [step.strip() for step in steps.split(",")], "bake_s": bake_s, "reason": reason}
        reply = client.send("POST", *place, body=body)
    elif cancel:
        reply = client.send("DELETE", *place)
    elif resume:
        reply = client.send("POST", *place, "resume")
    else:
        reply = client.get(*place)
    said: Mapping[str, Any] | None = reply.data["rollout"]
    if said is None:
        raise Trouble(Code.NO, "no_rollout", f"{route} never had a rollout; --steps begins one")
    return said


def _watched(client: AdminClient, route: str, said: Mapping[str, Any], *, quiet: bool) -> Mapping[str, Any]:
    """Follow a rollout to its end; a line for each step and for each new reason."""
    told = ""
    while said["state"] == _GOES_ON:
        now = _progress(said)
        if now != told and not quiet:
            put(f"{now}\n", sys.stdout)
        told = now
        time.sleep(LOOK_S)
        said = client.get("routes", route, "rollout").data["rollout"]
    return said


def rollout_text(said: Mapping[str, Any]) -> str:
    """A rollout in a few lines."""
    bake = f"each bakes {show_duration(said['bake_s'])}"
    heading = f"{said['route']}: {' -> '.join(said['steps'])}, {bake}; begun by {said['by']}"
    more = dict.fromkeys(said["why"][1:])  # two reasons may be missing the same
    return plain("\n".join([heading, _progress(said), *(folded(f"  - {why}", behind="    ") for why in more)]))


def _progress(said: Mapping[str, Any]) -> str:
    taken, steps = said["taken"], said["steps"]
    place = f"{taken} of {counted(len(steps), 'step')} taken" + (f" (at {steps[taken - 1]})" if taken else "")
    # how long it still bakes changes with every look: no news
    why = "" if not said["why"] else f": {re.sub(' for another [0-9]+ s', '', said['why'][0])}"
    return plain(f"{said['state']}, {place}{why}")


def _seconds(text: str) -> float:
    seconds = parse_duration(text)
    if seconds is None:
        raise Trouble(Code.WRONG, "bad_time", f"--bake: {text!r} is no time: write 30s, 10m, 2h or 1d")
    return seconds
