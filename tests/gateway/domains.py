"""A database as the real legacy has it, with the tables of both histories of ours."""

from __future__ import annotations

import psycopg

from gateway.db.embedded import ensure_database
from gateway.db.migrate import upgrade
from tests.legacy.stack import REPOSITORY


def domain_named(name: str, server: str) -> str:
    """The URL of a new database with legacy's tables, the seeds and the gateway's tables."""
    url = ensure_database(server, name)
    with psycopg.connect(url) as connection:
        for file in ("schema.sql", "seed.sql"):
            connection.execute((REPOSITORY / "legacy" / file).read_bytes())
    for history in ("domain", "gateway"):
        upgrade(url, history)
    return url
