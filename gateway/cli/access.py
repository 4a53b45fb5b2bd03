"""The two options of every command that talks to the admin plane, and the connection they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.cli.admin_client import AdminClient

AdminUrl = Annotated[
    str | None,
    typer.Option(
        "--admin-url",
        metavar="URL",
        envvar="STRANGLER_ADMIN_URL",
        help="Where the admin plane is; else the demo's of this folder, else http://127.0.0.1:9901.",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        metavar="TOKEN",
        envvar="STRANGLER_ADMIN_TOKEN",
        help="What opens it; the variable is better, because other users see the words of a command.",
    ),
]


def admin(url: str | None, token: str | None) -> AdminClient:
    """A connection to the admin plane that is meant."""
    from gateway.cli.admin_client import AdminClient
    from gateway.cli.place import known_admin_plane

    return AdminClient(known_admin_plane(url, token))
