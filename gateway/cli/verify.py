"""One contract run: both sides where they are, or started for the run; asked, judged, and left as they were found."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from gateway.cli.output import Code, Trouble
from gateway.contract.identities import Identity
from gateway.contract.launch import LaunchError, Sides, launched
from gateway.contract.load import Contracts
from gateway.contract.verify import CaseResult, verify
from gateway.db.embedded import EmbeddedPostgres, EmbeddedPostgresError
from gateway.message import Observation, OutboundRequest, Side
from gateway.upstream.http import HttpTransport
from gateway.upstream.observe import observe

_ANSWER_S = 30.0
_BODY_BYTES = 64 * 1024 * 1024  # a case's answer is compared whole


@dataclass(frozen=True, slots=True)
class Run:
    """What is verified, and against what: two addresses, or (None) sides started from backends.yaml.

    `database_url` may create databases; None means an embedded PostgreSQL in `scratch`.
    """

    contracts: Contracts
    only: Collection[str]
    urls: Mapping[Side, str] | None
    database_url: str | None
    scratch: Path


def run_cases(run: Run) -> list[CaseResult]:
    """Run the cases; Trouble when a side or a database cannot be had."""
    try:
        return asyncio.run(_run_cases(run))
    except LaunchError as error:
        raise Trouble(Code.UNREACHABLE, "side_not_started", str(error)) from error
    except (psycopg.Error, EmbeddedPostgresError) as error:
        raise Trouble(Code.UNREACHABLE, "database", f"the database of the run: {error}") from error
    except asyncio.CancelledError as error:  # SIGTERM; everything has been stopped by now
        raise KeyboardInterrupt from error


async def _run_cases(run: Run) -> list[CaseResult]:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    if run.urls is not None:
        return await _ask_all(run, run.urls, None, _secret_of(run.contracts))
    secret = secrets.token_urlsafe(32)
    async with _started(run, secret) as sides:
        return await _ask_all(run, sides.urls, sides, secret)


async def _ask_all(run: Run, urls: Mapping[Side, str], sides: Sides | None, secret: str) -> list[CaseResult]:
    transports = {side: HttpTransport(url, side=side) for side, url in urls.items()}

    async def ask(side: Side, request: OutboundRequest) -> Observation:
        return await observe(side, transports[side], request, timeout_s=_ANSWER_S, cap=_BODY_BYTES)

    def authorize(identity: Identity) -> bytes | None:
        return identity.authorization(secret=secret, now=datetime.now(UTC))

    try:
        return await verify(
            run.contracts,
            ask=ask,
            authorize=authorize,
            today=datetime.now(UTC).date(),
            reset=sides.reset if sides else None,
            only=run.only,
        )
    finally:
        for transport in transports.values():
            await transport.aclose()


@asynccontextmanager
async def _started(run: Run, secret: str) -> AsyncIterator[Sides]:
    """Both sides of backends.yaml, each on a database that is made and dropped for this run."""
    backends = run.contracts.backends
    if backends is None:
        sentence = "where are the sides? give --legacy and --new, or write backends.yaml so that they can be started"
        raise Trouble(Code.WRONG, "no_sides", sentence)
    async with (
        _database(run) as url,
        launched(backends, admin_url=url, run_sql=_run_sql, jwt_secret=secret) as sides,
    ):
        yield sides


@asynccontextmanager
async def _database(run: Run) -> AsyncIterator[str]:
    if run.database_url is not None:
        yield run.database_url
        return
    # kept between runs, because making it takes longer than the run; nothing in it is worth an fsync
    embedded = EmbeddedPostgres(run.scratch, settings={"fsync": "off", "max_connections": "60"})
    try:
        yield await asyncio.to_thread(embedded.start)
    finally:
        await asyncio.to_thread(embedded.stop)


async def _run_sql(url: str, script: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(script.encode())


def _secret_of(contracts: Contracts) -> str:
    """What signs the identities' tokens, out of the variable that identities.yaml names."""
    variable = contracts.identities.secret_variable
    if variable is None:
        return ""
    secret = os.environ.get(variable, "")
    if not secret:
        sentence = f"identities.yaml says that {variable} holds the secret of the sides' tokens, and it is not set"
        raise Trouble(Code.WRONG, "no_secret", sentence)
    return secret
