"""The commands about routes: what they are, moving one, taking it back, and what is known of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gateway.cli.access import AdminUrl, Token, admin
from gateway.cli.command import command
from gateway.cli.output import Answer, Code, Trouble
from gateway.cli.share import parse_share

Route = Annotated[str, typer.Argument(metavar="ROUTE", help="The route's key, like lots.create.")]
_One = Annotated[str | None, typer.Argument(metavar="[ROUTE]", help="A route's key; every route without one.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; it stays in the history.")]
Limit = Annotated[int, typer.Option(metavar="N", min=1, max=500, help="How many, the newest first.")]


class Stage(StrEnum):
    """The stages by name; a test keeps them equal to gateway/rollout/stage.py."""

    LEGACY = "legacy"
    SHADOW = "shadow"
    CANARY = "canary"
    NEW = "new"
    RETIRED = "retired"


_Stage = Annotated[Stage, typer.Argument(metavar="STAGE", help="How far the route shall have moved.")]
_Share = Annotated[
    str | None,
    typer.Option(metavar="SHARE", help="Callers on the new side in canary: 5%, 0.01%, or 500 (1/10,000)."),
]
_Sample = Annotated[str | None, typer.Option(metavar="SHARE", help="Requests that are compared: 10%, or 1000.")]
_Force = Annotated[bool, typer.Option("--force", help="Overrule the gate, or skip a stage; needs --reason.")]
_Version = Annotated[int | None, typer.Option(metavar="N", min=0, help="Flip only if the flag is at this version.")]


def register(group: typer.Typer) -> None:
    """Put the commands into the tree."""
    for name, work in (("routes", routes), ("flip", flip), ("rollback", rollback), ("history", history)):
        command(group, name, examples=_EXAMPLES[name])(work)


_EXAMPLES = {
    "routes": """
        strangler routes
        strangler routes lots.list
        strangler routes --json
        """,
    "flip": """
        strangler flip lots.list shadow
        strangler flip lots.list shadow --sample 10%
        strangler flip lots.list canary --share 5% --reason "no mismatch since Monday"
        strangler flip lots.list new --if-version 7
        strangler flip lots.list new --force --reason "legacy is going down tonight"
        """,
    "rollback": """
        strangler rollback lots.create
        strangler rollback lots.create --reason "wrong weights"
        """,
    "history": """
        strangler history lots.create
        """,
}


def routes(route: _One = None, admin_url: AdminUrl = None, token: Token = None) -> Answer:
    """List the routes, and how far each has moved.

    Of one route, also what became of its copies since the gateway started.
    """
    from gateway.cli.show import route_text, routes_table

    with admin(admin_url, token) as client:
        if route is not None:
            one = client.get("routes", route).data
            return Answer(one, route_text(one))
        data = client.get("routes").data
    return Answer(data, routes_table(data["routes"], data["plan"]))


def flip(
    route: Route,
    stage: _Stage,
    share: _Share = None,
    sample: _Sample = None,
    reason: Reason = "",
    force: _Force = False,
    if_version: _Version = None,
    admin_url: AdminUrl = None,
    token: Token = None,
) -> Answer:
    """Move a route to a stage, and say what it was before.

    Forward goes one stage at a time and, from shadow on, through the gate; back is always
    allowed. A change that somebody else makes at the same moment is never overwritten.
    """
    from gateway.cli.admin_client import Refusal
    from gateway.cli.moving import lost_race, moved

    canary = _share(share, "--share")
    if canary is not None and stage is not Stage.CANARY:
        raise Trouble(Code.WRONG, "share_without_canary", f"--share is about canary; {stage} has no share of callers")
    if force and not reason.strip():
        raise Trouble(Code.WRONG, "reason_missing", '--force needs --reason "...": the history keeps it')
    body = {"stage": stage.value, "canary": canary, "sample": _share(sample, "--sample"), "reason": reason}
    with admin(admin_url, token) as client:
        before = client.get("routes", route)
        expected = f'"{if_version}"' if if_version is not None else before.etag
        given = {name: value for name, value in {**body, "force": force}.items() if value is not None}
        try:
            after = client.send("PUT", "routes", route, "flag", body=given, headers={"if-match": expected or "*"})
        except Refusal as refused:
            if refused.status == 412:
                raise lost_race(client, route, expected) from refused
            raise
    return moved(route, before, after)


def rollback(route: Route, reason: Reason = "", admin_url: AdminUrl = None, token: Token = None) -> Answer:
    """Send a route back to legacy at once; nothing can refuse it."""
    from gateway.cli.moving import moved

    with admin(admin_url, token) as client:
        before = client.get("routes", route)
        after = client.send("POST", "routes", route, "rollback", body={"reason": reason})
    return moved(route, before, after)


def history(route: Route, limit: Limit = 50, admin_url: AdminUrl = None, token: Token = None) -> Answer:
    """Show who moved a route, when and why, the newest first.

    For what took itself back, it also tells how many requests were hit.
    """
    from gateway.cli.show import history_text

    with admin(admin_url, token) as client:
        data = client.get("routes", route, "history", limit=limit).data
        taken_back = client.get("routes", route, "rollbacks", limit=limit).data
    return Answer({**data, **taken_back}, history_text(route, data["changes"], taken_back["rollbacks"]))


def _share(text: str | None, option: str) -> int | None:
    if text is None:
        return None
    share = parse_share(text)
    if isinstance(share, str):
        raise Trouble(Code.WRONG, "bad_share", f"{option}: {share}")
    return share
