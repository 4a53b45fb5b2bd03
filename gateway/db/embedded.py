"""A PostgreSQL of our own in a folder, for whoever has none: started, adopted, shared and really stopped.

Two file locks say everything, and the kernel keeps them true whoever dies: `lock` is held while starting or
stopping, `users` is held (shared) by every process that uses the server. Who ends its use last ends the server.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import errors, sql

from gateway.db.cluster import START_S, STOP_S, Cluster, ClusterFault
from gateway.db.engine import CONNECT_S, as_down, as_text, connection_parameters, database_url


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot be started or stopped; the text is a sentence for people."""


class EmbeddedPostgres:
    """One PostgreSQL in a folder, on a Unix socket only; any number of processes may use it together.

    `settings` are server settings for a new start, such as `fsync=off` in tests. The methods block for a
    second or so (a minute after a crash), so call them before the loop runs or in a thread.
    """

    def __init__(self, folder: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._folder = folder.expanduser().resolve()
        self._cluster = Cluster(self._folder / "data", settings or {})
        self._use: int | None = None
        self._process = os.getpid()

    def start(self) -> str:
        """Start the server, or adopt the one that runs already, and return its URL."""
        with self._faults("start"):
            self._folder.mkdir(mode=0o711, parents=True, exist_ok=True)
            with self._alone():
                self._bring_up()
                if self._use is None:
                    self._use = self._open("users")
                    fcntl.flock(self._use, fcntl.LOCK_SH)
                    atexit.register(self._at_exit)
        return self.url

    def stop(self) -> None:
        """End the server unless somebody else uses it; ending it twice is fine."""
        if self._use is None:
            return
        atexit.unregister(self._at_exit)
        with self._faults("stop"), self._alone():
            try:
                fcntl.flock(self._use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # it is theirs from now on
            else:
                self._cluster.end()
            finally:
                os.close(self._use)
                self._use = None

    def is_running(self) -> bool:
        """Whether the server process lives."""
        return self._cluster.server() is not None

    @property
    def url(self) -> str:
        """Where the server is reached, as its superuser, database `postgres`."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._cluster.socket_folder))}"

    def _bring_up(self) -> None:
        """Launch the server where there is none; one that is there must answer: it may be dying, or recovering."""
        deadline = time.monotonic() + START_S
        while True:
            if self._cluster.server() is None:
                self._cluster.launch()
            if _answers(self.url):
                return
            if time.monotonic() > deadline:
                raise ClusterFault("it runs, but does not answer")
            time.sleep(0.05)

    def _at_exit(self) -> None:
        if os.getpid() == self._process:  # a forked child has no say
            with suppress(EmbeddedPostgresError):
                self.stop()

    def _open(self, name: str) -> int:
        return os.open(self._folder / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        handle = self._open("lock")
        try:
            _take(handle)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def _faults(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, LookupError, subprocess.SubprocessError, ClusterFault) as error:
            raise EmbeddedPostgresError(f"the PostgreSQL in {self._folder} does not {what}: {error}") from error


def ensure_database(url: str, name: str) -> str:
    """Create a database if there is none of that name, and return its URL."""
    parsed = database_url(url)
    try:
        with psycopg.connect(autocommit=True, **connection_parameters(parsed)) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if found is None:
                with suppress(errors.DuplicateDatabase, errors.UniqueViolation):  # another process was faster
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.Error as error:
        raise as_down(error) from error
    return as_text(parsed.set(database=name))


def _answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_S) as connection:
            return connection.execute("SELECT 1").fetchone() is not None
    except psycopg.Error:
        return False


def _take(handle: int) -> None:
    deadline = time.monotonic() + START_S + 2 * STOP_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise ClusterFault("another process has been starting or stopping it for too long") from None
            time.sleep(0.05)
        else:
            return
