"""What `check` looks at, one finding each: contracts, the new side, the addresses, the database, legacy."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from gateway.cli.output import Code, counted
from gateway.cli.ports import why_not
from gateway.settings.addresses import UNIX, is_origin, origins, split_address
from gateway.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    name: str
    code: Code
    sentences: list[str]


def findings(settings: Settings) -> list[Finding]:
    """Look at everything, whatever is found on the way."""
    found = [_contracts(settings), _address("listen", settings.listen), _address("admin", settings.admin)]
    if settings.new is not None:
        is_app = not is_origin(settings.new)
        found.append(_factory(settings.new) if is_app else _backend("new", settings.new, settings.new_ca, settings))
    if settings.database_url is not None:
        found.append(_database(settings.database_url))
    found.append(_backend("legacy", settings.legacy, settings.legacy_ca, settings))
    return found


def _contracts(settings: Settings) -> Finding:
    from gateway.contract.load import Contracts, load

    folder = settings.contracts_folder
    if folder is None:
        return Finding("contracts", Code.YES, ["no folder: every request goes to legacy"])
    loaded = load(folder)
    if isinstance(loaded, Contracts):
        return Finding("contracts", Code.YES, [f"{counted(len(loaded.by_key), 'route')} in {folder}"])
    return Finding("contracts", Code.WRONG, [str(problem) for problem in loaded])


def _address(name: str, address: str) -> Finding:
    problem = why_not(*split_address(address), f"--{name}")
    return Finding(name, Code.WRONG if problem else Code.YES, [problem or address])


def _factory(new: str) -> Finding:
    from gateway.upstream.load import NotLoadable, load_app

    try:
        load_app(new)
    except NotLoadable as error:
        return Finding("new", Code.WRONG, [f"--new {error}"])
    return Finding("new", Code.YES, [f"{new} can be loaded"])


def _database(url: str) -> Finding:
    from gateway.db.engine import DatabaseDown
    from gateway.db.migrate import current

    try:
        revision = current(url, "gateway")
    except ValueError as error:
        return Finding("database", Code.WRONG, [f"{error} (--database-url)"])
    except DatabaseDown as down:
        return Finding("database", Code.UNREACHABLE, [f"{down}: the gateway would start with its last good flags"])
    return Finding("database", Code.YES, [f"reached, the gateway's tables are at {revision or 'no revision yet'}"])


def _backend(name: str, setting: str, ca: Path | None, settings: Settings) -> Finding:
    """Ask each origin of a side; one that does not answer is told, whether or not others do."""
    asked = [_asked(url, ca, settings.connect_timeout_s) for url in origins(setting)]
    return Finding(name, max((code for code, _ in asked), key=int), [sentence for _, sentence in asked])


def _asked(url: str, ca: Path | None, timeout_s: float) -> tuple[Code, str]:
    connection = _connection(url, ca, timeout_s)
    try:
        connection.request("HEAD", "/")
        status = connection.getresponse().status
    except HTTPException as error:
        return Code.UNREACHABLE, f"{url} does not speak HTTP ({type(error).__name__})"
    except OSError as error:
        return Code.UNREACHABLE, f"{url} cannot be reached: {error.strerror or error}"
    finally:
        connection.close()
    return Code.YES, f"{url} answers (HEAD / gave {status})"


def _connection(url: str, ca: Path | None, timeout_s: float) -> HTTPConnection:
    if url.startswith(UNIX):
        return _OverSocket(url.removeprefix(UNIX), timeout_s)
    parts = urlsplit(url)
    if parts.scheme == "http":
        return HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    from gateway.upstream.reach import trust

    return HTTPSConnection(parts.hostname or "", parts.port, timeout=timeout_s, context=trust(ca))


class _OverSocket(HTTPConnection):
    """Over a socket's file."""

    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
