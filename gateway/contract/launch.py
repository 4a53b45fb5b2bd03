"""Starts both sides of backends.yaml, each on a database of its own, and stops them whatever happens.

It speaks no SQL of its own driver: `run_sql` is handed in by whoever knows databases.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit, urlunsplit

from gateway.contract.backends import Backend, Backends, fill
from gateway.message import Side

HOST = "127.0.0.1"
READY_S = 30.0
STOP_S = 5.0
_LAST_LINES = 15  # of a side's output, told when it does not start

RunSql = Callable[[str, str], Awaitable[None]]  # (database URL, script), each script in autocommit

_EMPTY = """
do $$ declare names text; begin
  select string_agg(format('%I.%I', schemaname, tablename), ', ') into names from pg_tables
   where schemaname in ({schemas}) and schemaname || '.' || tablename not in ({keep});
  if names is not null then execute 'truncate ' || names || ' restart identity cascade'; end if;
end $$;
"""


class LaunchError(RuntimeError):
    """A side could not be started; the text is for people."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides, running: where each is reached, and how both are seeded anew."""

    urls: Mapping[Side, str]
    reset: Callable[[], Awaitable[None]]


@asynccontextmanager
async def launched(backends: Backends, *, admin_url: str, run_sql: RunSql, jwt_secret: str) -> AsyncIterator[Sides]:
    """Both sides until the block ends; `admin_url` may create and drop databases.

    LaunchError when a side does not start; what `run_sql` raises passes through.
    """
    run = secrets.token_hex(4)
    seed = await asyncio.to_thread(_read, backends.seed)
    schema = await asyncio.to_thread(_read, backends.schema)
    databases = {side: f"strangler_contract_{run}_{side}" for side in Side}
    urls = {side: _with_database(admin_url, name) for side, name in databases.items()}
    async with AsyncExitStack() as stack:
        logs = Path(stack.enter_context(TemporaryDirectory(prefix="strangler-contract-")))
        for side, name in databases.items():
            await run_sql(admin_url, f'create database "{name}"')
            stack.push_async_callback(run_sql, admin_url, f'drop database if exists "{name}" with (force)')
            await run_sql(urls[side], schema)
        origins: dict[Side, str] = {}
        for side, backend in backends.sides.items():
            port = stack.enter_context(_held_port()).getsockname()[1]
            values = {"database_url": urls[side], "port": str(port), "jwt_secret": jwt_secret}
            await _start(stack, backend, values, logs / f"{side}.log")
            origins[side] = f"http://{HOST}:{values['port']}"
        anew = _emptying(backends) + seed

        async def reset() -> None:
            await asyncio.gather(*(run_sql(url, anew) for url in urls.values()))

        yield Sides(origins, reset)


def _read(paths: tuple[Path, ...]) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def _emptying(backends: Backends) -> str:
    # the names are plain identifiers (backends.py), so that quoting them is enough
    schemas = ", ".join(f"'{name}'" for name in backends.reset)
    keep = ", ".join(f"'{name}'" for name in backends.keep) or "''"
    return _EMPTY.format(schemas=schemas, keep=keep)


def _with_database(url: str, name: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{name}"))


def _held_port() -> socket.socket:
    """A port that nobody else is given until the side listens: whoever had it instead would answer, and be compared.

    It is bound and never listened on, and a server that sets SO_REUSEADDR may share that.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((HOST, 0))
    return holder


async def _start(stack: AsyncExitStack, backend: Backend, values: Mapping[str, str], log: Path) -> None:
    """Prepare and start a side, and wait until it answers; the stack stops it."""
    # the tools of this environment come first: Node is installed beside Python
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    own = {name: fill(text, values) for name, text in backend.env.items()}
    env = {**os.environ, "PATH": path, **own}
    if backend.prepare:
        done = await _spawn(backend, backend.prepare, values, env, log)
        if await done.wait():
            raise LaunchError(f"{backend.side} could not be prepared\n{_tail(log)}")
    process = await _spawn(backend, _command(backend), values, env, log)
    stack.push_async_callback(_stop, process)
    try:
        async with asyncio.timeout(READY_S):
            while not await _answers(int(values["port"]), backend.ready):
                if process.returncode is not None:
                    raise LaunchError(f"{backend.side} ended with code {process.returncode}\n{_tail(log)}")
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise LaunchError(f"{backend.side} did not answer {backend.ready} in {READY_S:g} s\n{_tail(log)}") from None


def _command(backend: Backend) -> tuple[str, ...]:
    if backend.app is None:
        return backend.command
    server = (sys.executable, "-m", "uvicorn", "--factory", backend.app, "--no-access-log", "--log-level", "warning")
    return (*server, "--host", HOST, "--port", "{port}")


async def _spawn(
    backend: Backend, command: tuple[str, ...], values: Mapping[str, str], env: Mapping[str, str], log: Path
) -> asyncio.subprocess.Process:
    words = [fill(word, values) for word in command]
    try:
        with log.open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *words,
                cwd=backend.cwd,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for us; we stop it in order
            )
    except OSError as error:
        raise LaunchError(f"{backend.side}: {words[0]} cannot be started ({error.strerror})") from error


async def _stop(process: asyncio.subprocess.Process) -> None:
    """End the process and what it has started."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _answers(port: int, path: str) -> bool:
    """Whether a server on the port answers a GET with a status below 500."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        words = (await reader.readline()).split()
    except (OSError, ValueError):  # ValueError: a first line without an end
        return False
    finally:
        writer.close()
    return len(words) > 1 and words[1].isdigit() and int(words[1]) < 500


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LAST_LINES:])
