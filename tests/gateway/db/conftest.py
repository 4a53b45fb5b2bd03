"""The fixtures of `fixtures.py`, for the tests of this folder."""

from tests.gateway.db.fixtures import database, engine, live, mortal, place, postgres, store

__all__ = ["database", "engine", "live", "mortal", "place", "postgres", "store"]
