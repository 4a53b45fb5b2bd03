"""The demo's PostgreSQL: started or adopted, filled once with the legacy data, brought to the newest schema."""

from __future__ import annotations

from pathlib import Path

import psycopg

from gateway.db.embedded import EmbeddedPostgres, EmbeddedPostgresError, ensure_database
from gateway.db.migrate import upgrade

NAME = "flowviz"
_SCRIPTS = ("schema.sql", "seed.sql")


class Database:
    """The embedded server as a part of the demo."""

    name = "PostgreSQL"

    def __init__(self, folder: Path) -> None:
        self._server = EmbeddedPostgres(folder)

    def start(self) -> str | None:
        """Start the server, or adopt the one a killed demo has left."""
        try:
            self._server.start()
        except EmbeddedPostgresError as error:
            return str(error)
        return None

    def is_alive(self) -> bool:
        """Whether the server process lives."""
        return self._server.is_running()

    def is_ready(self) -> bool:
        """Whether it lets somebody in."""
        try:
            psycopg.connect(self._server.url, connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    def last_words(self) -> str:
        """How it ended, as far as that can be known of a process that is nobody's child."""
        return "has ended"

    def ask_to_stop(self) -> None:
        """Stop it; this waits until it has gone."""
        self._server.stop()

    def kill(self) -> None:
        """Stop it also when a Ctrl-C has ended its starter, so that nobody holds it yet."""
        if self._server.is_running():
            self._server.start()
        self._server.stop()

    def fill(self, legacy: Path) -> str:
        """Make the application's database with the legacy schema and seed unless it is there; return its URL."""
        url = ensure_database(self._server.url, NAME)
        with psycopg.connect(url) as connection:  # one transaction: an interrupted start leaves nothing
            row = connection.execute("SELECT to_regclass('public.lots') IS NULL").fetchone()
            if row is not None and row[0]:
                for script in _SCRIPTS:
                    connection.execute((legacy / script).read_bytes())
        return url


def bring_up_to_date(url: str) -> None:
    """Upgrade both histories: the gateway's own tables, and the domain's."""
    for history in ("gateway", "domain"):
        upgrade(url, history)
