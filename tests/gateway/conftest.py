"""The real PostgreSQL that the gateway's tests share."""

from tests.gateway.db.fixtures import database, mortal, place, postgres

__all__ = ["database", "mortal", "place", "postgres"]
