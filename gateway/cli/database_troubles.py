"""What the shell is told when a database cannot be used; the driver's own words are not repeated."""

from __future__ import annotations

from gateway.cli.output import Code, Trouble
from gateway.db.engine import CANNOT_BE_REACHED, DatabaseDown


def down(error: DatabaseDown) -> Trouble:
    """A database that did not answer as it should."""
    said = str(error)
    if said == CANNOT_BE_REACHED:
        said += "; does it run, and is --database-url (or STRANGLER_DATABASE_URL) right?"
    return Trouble(Code.UNREACHABLE, "database_unreachable", said)


def bad_url(error: ValueError) -> Trouble:
    """A URL that names no PostgreSQL."""
    return Trouble(Code.WRONG, "bad_database_url", f"{error} (--database-url)")
