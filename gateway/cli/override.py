"""`override`: a signed token with which a tester says which side answers. It is made here, without asking a gateway."""

from __future__ import annotations

import shlex
import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final
from uuid import uuid4

import typer

from gateway.cli.command import command
from gateway.cli.duration import parse_duration
from gateway.cli.output import Answer, Code, Trouble

_LONGEST_S: Final = 24 * 3_600  # the gateway takes no token that lives longer


class Wanted(StrEnum):
    """The side that is to answer."""

    LEGACY = "legacy"
    NEW = "new"


def register(group: typer.Typer) -> None:
    """Put the command into the tree."""
    command(
        group,
        "override",
        examples="""
        strangler override --side new --for 1h
        strangler override --side new --route lots.list --route lots.create
        strangler override --side legacy --group lots --for 15m --json
        """,
    )(override)


def override(
    side: Annotated[Wanted, typer.Option(help="Who answers the requests that carry the token.")],
    route: Annotated[
        list[str] | None, typer.Option(metavar="KEY", help="Only for this route; may be given several times.")
    ] = None,
    group: Annotated[str, typer.Option(metavar="GROUP", help="Only for the routes of this group.")] = "",
    for_: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 90s, 15m, 1h; at most 24h.")] = "1h",
    secret: Annotated[
        str | None,
        typer.Option(
            "--override-secret",
            metavar="SECRET",
            envvar="STRANGLER_OVERRIDE_SECRET",
            help="The gateway's setting of that name; else the one in strangler.yaml.",
        ),
    ] = None,
) -> Answer:
    """Make a tester's token: it says which side answers.

    It is shown with a line for curl and one for a browser. A gateway takes it that has the same override_secret, in
    the header or the cookie x-strangler-override.
    """
    from gateway.cli.place import known_data_plane, known_override_secret
    from gateway.message import Side
    from gateway.rollout.override import MOST_BYTES, issue

    key, life_s, now = known_override_secret(secret), _seconds(for_), time.time()
    token = issue(key, side=Side(side), now=now, life_s=life_s, token_id=uuid4().hex, routes=route or (), group=group)
    if len(token) > MOST_BYTES:
        raise Trouble(
            Code.WRONG, "too_many_routes", "no gateway takes a token this long: name fewer routes, or a group"
        )
    curl = shlex.join(["curl", "-H", f"x-strangler-override: {token}", f"{known_data_plane()}/"])
    cookie = f"x-strangler-override={token}; path=/; max-age={life_s}; samesite=lax"
    until = datetime.fromtimestamp(int(now) + life_s, UTC)
    data = {"token": token, "side": side.value, "routes": route or [], "group": group, "expires_at": until.isoformat()}
    return Answer({**data, "curl": curl, "cookie": cookie}, _text(token, until, curl, cookie))


def _text(token: str, until: datetime, curl: str, cookie: str) -> str:
    return f"""{token}

It holds until {until:%Y-%m-%d %H:%M:%S} UTC. From a shell, and in the console of a browser that shows the site:

{curl}

document.cookie = "{cookie}\""""


def _seconds(text: str) -> int:
    seconds = parse_duration(text)
    if seconds is None or not 1 <= seconds <= _LONGEST_S:
        raise Trouble(Code.WRONG, "bad_time", f"--for {text!r} is no time up to 24h: write 90s, 15m or 1h")
    return int(seconds)
