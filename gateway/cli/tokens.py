"""`tokens`: who may use the admin plane; by way of the plane itself, or of its database when the token is lost."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from gateway.cli.access import AdminUrl, Token, admin
from gateway.cli.command import command, subgroup
from gateway.cli.output import Answer, Code, Trouble, plain

group = subgroup("Who may use the admin plane.")


class Role(StrEnum):
    """What a token may do; each may do what the one before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


_Name = Annotated[str, typer.Argument(metavar="NAME", help="Whose token it is; the history shows this name.")]
_Url = Annotated[
    str | None,
    typer.Option("--database-url", metavar="URL", help="Go to the gateway's database, for who has no admin token."),
]


@command(
    group,
    "add",
    examples="""
    strangler tokens add ada --role operator
    strangler tokens add ada --role admin --database-url postgresql://gateway@db/gateway
    """,
)
def add(
    name: _Name,
    role: Annotated[Role, typer.Option(help="viewer reads, operator flips, admin gives tokens.")],
    database_url: _Url = None,
    admin_url: AdminUrl = None,
    token: Token = None,
) -> Answer:
    """Make a token and show its secret, this once."""
    if database_url is not None:
        from gateway.cli.token_database import create

        data: dict[str, Any] = {"name": name, "role": role.value, "secret": create(database_url, name, role.value)}
    else:
        with admin(admin_url, token) as client:
            data = client.send("POST", "tokens", body={"name": name, "role": role.value}).data
    return Answer(data, f"{data['secret']}\n\nThis is shown only now. Use it as STRANGLER_ADMIN_TOKEN.")


@command(
    group,
    "list",
    examples="""
    strangler tokens list
    strangler tokens list --json
    """,
)
def list_(database_url: _Url = None, admin_url: AdminUrl = None, token: Token = None) -> Answer:
    """List the tokens in use, without their secrets, which nobody has any more."""
    from rich.table import Table

    if database_url is not None:
        from gateway.cli.token_database import tokens

        data: Any = {"tokens": tokens(database_url)}
    else:
        with admin(admin_url, token) as client:
            data = client.get("tokens").data
    table = Table("name", "role", "since", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for one in data["tokens"]:
        table.add_row(plain(one["name"]), one["role"], str(one["created_at"])[:19].replace("T", " "))
    return Answer(data, table if data["tokens"] else "there is no token")


@command(
    group,
    "revoke",
    examples="""
    strangler tokens revoke ada
    """,
)
def revoke(name: _Name, database_url: _Url = None, admin_url: AdminUrl = None, token: Token = None) -> Answer:
    """End a token; every gateway knows it within seconds."""
    if database_url is not None:
        from gateway.cli.token_database import end

        if not end(database_url, name):
            raise Trouble(Code.WRONG, "unknown_token", f"there is no token {name!r}")
    else:
        with admin(admin_url, token) as client:
            client.send("DELETE", "tokens", name)
    return Answer({"name": name, "revoked": True}, f"the token {name!r} opens nothing any more")
