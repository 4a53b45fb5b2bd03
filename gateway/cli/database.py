"""`db`: brings a database to the newest schema and says where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer

from gateway.cli.command import command, subgroup
from gateway.cli.output import Answer, Code, Trouble
from gateway.cli.place import known_database_url

group = subgroup("The gateway's tables, and the domain's of the demo system.")


class History(StrEnum):
    """Which tables."""

    GATEWAY = "gateway"
    DOMAIN = "domain"
    ALL = "all"


_Url = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="STRANGLER_DATABASE_URL",
        show_envvar=True,
        metavar="URL",
        help="PostgreSQL; without it the one of the demo in this folder.",
    ),
]


_Which = Annotated[
    History, typer.Argument(help="Whose tables: the gateway's, or the domain's of the demo system, or both.")
]


@command(
    group,
    "upgrade",
    examples="""
    strangler db upgrade --database-url postgresql://gateway@db/gateway
    strangler db upgrade all
    """,
)
def upgrade(history: _Which = History.GATEWAY, database_url: _Url = None) -> Answer:
    """Bring a database to the newest schema; doing it twice changes nothing."""
    from gateway.db import migrate

    url = known_database_url(database_url)
    chosen = list(migrate.VERSION_TABLES) if history is History.ALL else [history.value]
    with _border():
        before = {name: migrate.current(url, name) for name in chosen}
        for name in chosen:
            migrate.upgrade(url, name)
        after = {name: migrate.current(url, name) for name in chosen}
    lines = [
        f"{name}: {after[name]}"
        + (" (as it was)" if before[name] == after[name] else f", was {before[name] or 'nothing yet'}")
        for name in chosen
    ]
    return Answer({name: {"before": before[name], "after": after[name]} for name in chosen}, "\n".join(lines))


@command(
    group,
    "current",
    examples="""
    strangler db current
    strangler db current --json --database-url postgresql://gateway@db/gateway
    """,
)
def current(database_url: _Url = None) -> Answer:
    """Say at which revision both histories of a database are."""
    from gateway.db import migrate

    url = known_database_url(database_url)
    with _border():
        found = {name: migrate.current(url, name) for name in migrate.VERSION_TABLES}
    newest = {name: migrate.newest(name) for name in found}
    lines = [
        f"{name}: {revision or 'nothing yet'}{_behind(revision, newest[name])}" for name, revision in found.items()
    ]
    data = {name: {"revision": found[name], "newest": newest[name]} for name in found}
    return Answer(data, "\n".join(lines))


def _behind(revision: str | None, newest: str | None) -> str:
    return "" if revision == newest else f" (the newest is {newest}; `strangler db upgrade` leads there)"


@contextmanager
def _border() -> Iterator[None]:
    """Turn the database's failures into what the shell is told."""
    from gateway.cli.database_troubles import bad_url, down
    from gateway.db.engine import DatabaseDown
    from gateway.db.migrate import MigrationRefused

    try:
        yield
    except ValueError as error:
        raise bad_url(error) from error
    except MigrationRefused as error:
        raise Trouble(Code.NO, "migration_refused", str(error)) from error
    except DatabaseDown as error:
        raise down(error) from error
