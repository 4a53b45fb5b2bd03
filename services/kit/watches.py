"""Watches every way out of this process that a handler may take, and asks the guard about each.

Installed once, for code that works for a rehearsal; to all other code, the gateway's own included, each watch costs
one look at a context variable. Threads and executors take the handler's context along, as tasks do by themselves.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import wraps
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any, Final
from weakref import WeakSet

import psycopg
from psycopg.sql import Composable
from sqlalchemy import event
from sqlalchemy.pool import Pool

from services.kit.guard import carried, is_guarded, refuse_if_guarded
from services.kit.statement import ends_transaction, works_on_tables

_CONNECTS: Final = "opens a second connection to a database"
_ENDS: Final = "ends its transaction itself"
_AUDITED: Final = {
    "socket.connect": "opens a connection",
    "socket.sendto": "sends a datagram",
    "socket.sendmsg": "sends a message",
    "http.client.send": "sends an HTTP request",
    "smtplib.send": "sends a mail",
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.exec": "starts a process",
    "os.fork": "starts a process",
}
_OF_LOOPS: Final = {
    "create_connection": "opens a connection",
    "create_unix_connection": "opens a connection",
    "sock_connect": "opens a connection",
    "create_datagram_endpoint": "sends a datagram",
    "subprocess_exec": "starts a process",
    "subprocess_shell": "starts a process",
}
_CLIENTS: Final = (  # those that keep connections open; looked at when they have been imported
    ("httpx", "Client", "send"),
    ("httpx", "AsyncClient", "send"),
    ("aiohttp", "ClientSession", "_request"),
    ("httpcore", "ConnectionPool", "handle_request"),
    ("httpcore", "AsyncConnectionPool", "handle_async_request"),
)
_OWN: WeakSet[Any] = WeakSet()  # driver connections that the kit has opened for a session


def own(driver_connection: Any) -> None:
    """A handler may talk over this connection: it is the kit's, and the kit ends its transaction."""
    _OWN.add(driver_connection)


_installed = False


def install(loop: asyncio.AbstractEventLoop) -> None:
    """Watch this process, and this loop; a second time it does nothing."""
    global _installed
    for name, act in _OF_LOOPS.items():
        _watch(loop, name, act)
    _carry(loop, "run_in_executor", at=1)
    if not _installed:
        _installed = True
        sys.addaudithook(_audit)
        event.listen(Pool, "checkout", _checked_out)
        _install_drivers()
        _watch(asyncio.StreamWriter, "write", "sends a message")
        _watch(ProcessPoolExecutor, "submit", "starts a process")
        _watch(BaseProcess, "start", "starts a process")  # spawning raises no audit event
        _carry(ThreadPoolExecutor, "submit", at=1)
        _carry_threads()
    for module, kind, name in _CLIENTS:
        if module in sys.modules:
            _watch(getattr(sys.modules[module], kind), name, "sends an HTTP request")


def _install_drivers() -> None:
    for kind in (psycopg.Connection, psycopg.AsyncConnection):
        connect = kind.__dict__["connect"].__func__
        kind.connect = classmethod(_watched(connect, _CONNECTS))  # type: ignore[method-assign,assignment] # the watch
        kind.wait = _on_own(kind.wait)  # type: ignore[method-assign] # the watch
        for name in ("commit", "rollback"):
            _watch(kind, name, _ENDS)
    for cursor in (psycopg.Cursor, psycopg.AsyncCursor):
        for name in ("execute", "executemany", "stream"):
            setattr(cursor, name, _on_statement(getattr(cursor, name)))


def _audit(name: str, _: tuple[Any, ...]) -> None:
    act = _AUDITED.get(name)
    if act is not None:
        refuse_if_guarded(act)


def _checked_out(_: Any, record: Any, __: Any) -> None:
    if is_guarded() and record.driver_connection not in _OWN:
        refuse_if_guarded(_CONNECTS)


def _watch(holder: Any, name: str, act: str) -> None:
    method = getattr(holder, name)
    if not hasattr(method, "_strangler_watch"):
        setattr(holder, name, _watched(method, act))


def _watched(method: Callable[..., Any], act: str) -> Callable[..., Any]:
    @wraps(method)
    def asked(*args: Any, **more: Any) -> Any:
        refuse_if_guarded(act)
        return method(*args, **more)

    asked._strangler_watch = True  # type: ignore[attr-defined] # a mark, so that it is put on once
    return asked


def _on_own(wait: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(wait)
    def asked(connection: Any, *args: Any, **more: Any) -> Any:
        if connection not in _OWN:
            refuse_if_guarded("uses a connection to a database that is not its session's")
        return wait(connection, *args, **more)

    return asked


def _on_statement(execute: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(execute)
    def asked(cursor: Any, query: Any, *args: Any, **more: Any) -> Any:
        if is_guarded():
            text = _text(query)
            if ends_transaction(text):
                refuse_if_guarded(_ENDS)
            if works_on_tables(text):
                refuse_if_guarded("empties a table or changes the schema")
        return execute(cursor, query, *args, **more)

    return asked


def _text(query: Any) -> str:
    if isinstance(query, Composable):
        query = query.as_bytes(None)
    return query.decode("latin-1") if isinstance(query, bytes) else query if isinstance(query, str) else ""


def _carry(holder: Any, name: str, *, at: int) -> None:
    """Let the function at this place of the arguments run in the context of its caller."""
    method = getattr(holder, name)
    if hasattr(method, "_strangler_watch"):
        return

    @wraps(method)
    def taken(*args: Any, **more: Any) -> Any:
        if is_guarded() and len(args) > at:
            args = (*args[:at], carried(args[at]), *args[at + 1 :])
        return method(*args, **more)

    taken._strangler_watch = True  # type: ignore[attr-defined] # a mark, so that it is put on once
    setattr(holder, name, taken)


def _carry_threads() -> None:
    start = Thread.start

    @wraps(start)
    def started(thread: Thread) -> None:
        target = getattr(thread, "_target", None)
        # an executor's thread serves others after this caller; what it is given takes its own context along
        if is_guarded() and getattr(target, "__module__", "") != "concurrent.futures.thread":
            thread.run = carried(thread.run)  # type: ignore[method-assign] # the same, elsewhere
        start(thread)

    Thread.start = started  # type: ignore[method-assign,assignment] # the watch
