"""A real PostgreSQL for tests: one server in a session, a fresh database in a test, and one to be killed."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.db.embedded import EmbeddedPostgres, ensure_database
from gateway.db.engine import make_engine
from gateway.db.flags import FlagStore
from gateway.db.migrate import upgrade
from gateway.rollout.plan import Live, Plan, Source
from gateway.routing.route import Effect, Route, Stickiness
from gateway.routing.table import RouteTable
from gateway.routing.template import Template

FAST = {"fsync": "off"}  # enough against kill -9; with synchronous_commit off a killed server forgets commits
TEMPLATE = "gateway_template"

# Not pytest's tmp_path: as root the server runs as another user, whom every pytest that starts locks out of there.
TEMPORARY = Path(tempfile.gettempdir())


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of the session's server, with a template database that has the gateway's tables.

    Two folders that import this fixture share one server: the second adopts it, the last one stops it.
    """
    server = EmbeddedPostgres(TEMPORARY / f"strangler-tests-{os.getpid()}", settings=FAST)
    url = server.start()
    upgrade(ensure_database(url, TEMPLATE), "gateway")
    yield url
    server.stop()
    if not server.is_running():
        shutil.rmtree(TEMPORARY / f"strangler-tests-{os.getpid()}")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for a server of this test alone."""
    folder = Path(tempfile.mkdtemp(prefix="strangler-tests-", dir=TEMPORARY))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The URL of a database of this test alone."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE}')
        yield postgres.replace("@/postgres", f"@/{name}")
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def engine(database: str) -> AsyncIterator[AsyncEngine]:
    engine = make_engine(database)
    yield engine
    await engine.dispose()


@pytest.fixture
def store(engine: AsyncEngine) -> FlagStore:
    return FlagStore(engine)


@pytest.fixture
def live() -> Live:
    """A process that has two routes and has not asked for flags yet."""
    return new_live("lots.list", "lots.create")


@pytest.fixture
def mortal(place: Path) -> Iterator[Mortal]:
    """A server of this test alone, which it may kill and start again."""
    server = Mortal(place / "mortal")
    server.start()
    yield server
    server.stop()


class Mortal:
    """An embedded server that can be killed, frozen and brought back."""

    def __init__(self, folder: Path) -> None:
        self.embedded = EmbeddedPostgres(folder, settings=FAST)
        self.data = folder / "data"
        self.stop = self.embedded.stop

    def start(self) -> str:
        url = self.embedded.start()
        self.url = ensure_database(url, "gateway")
        upgrade(self.url, "gateway")
        return self.url

    @property
    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def kill(self) -> None:
        """End all its processes at once, as kill -9 does."""
        for pid in self._all():
            os.kill(pid, signal.SIGKILL)

    def freeze(self) -> list[int]:
        """Stop all its processes where they are; SIGCONT wakes them."""
        frozen = self._all()
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        return frozen

    def _all(self) -> list[int]:
        server = psutil.Process(self.pid)
        return [server.pid, *(child.pid for child in server.children(recursive=True))]


def new_live(*keys: str) -> Live:
    """A live plan with routes of these keys and nothing known of their flags."""
    table = RouteTable(_route(key) for key in keys)
    return Live(Plan(table, {}, Source.DEFAULT))


def _route(key: str) -> Route:
    template = Template.parse(f"/api/{key}")
    return Route(key, "GET", template, Effect.READ, key.partition(".")[0], Stickiness.parse("jwt.sub"), template)
