"""The real PostgreSQL that the gateway's tests share."""

from tests.gateway.db.fixtures import mortal, place, postgres

__all__ = ["mortal", "place", "postgres"]
