"""What `check` looks at, one finding each: contracts, the new side, the addresses, the database, legacy."""

from __future__ import annotations

from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from gateway.cli.output import Code
from gateway.cli.ports import why_not
from gateway.settings import Settings, split_address


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
        url = settings.new if "://" in settings.new else None
        found.append(_backend("new", url, settings.connect_timeout_s) if url else _factory(settings.new))
    if settings.database_url is not None:
        found.append(_database(settings.database_url))
    found.append(_backend("legacy", settings.legacy, settings.connect_timeout_s))
    return found


def _contracts(settings: Settings) -> Finding:
    from gateway.contract.load import Contracts, load

    folder = settings.contracts_folder
    if folder is None:
        return Finding("contracts", Code.YES, ["no folder: every request goes to legacy"])
    loaded = load(folder)
    if isinstance(loaded, Contracts):
        return Finding("contracts", Code.YES, [f"{len(loaded.by_key)} routes in {folder}"])
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


def _backend(name: str, url: str, timeout_s: float) -> Finding:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("HEAD", "/")
        status = connection.getresponse().status
    except HTTPException as error:
        return Finding(name, Code.UNREACHABLE, [f"{url} does not speak HTTP ({type(error).__name__})"])
    except OSError as error:
        return Finding(name, Code.UNREACHABLE, [f"{url} cannot be reached: {error.strerror or error}"])
    finally:
        connection.close()
    return Finding(name, Code.YES, [f"{url} answers (HEAD / gave {status})"])
