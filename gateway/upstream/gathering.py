"""One answer gathered whole by callbacks on a connection that is idle already: no task, no timer, one piece of news.

What copies mostly are. It decides as `observe.py` does, which takes what this leaves to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

from gateway.message import Observation, OutboundRequest, Side
from gateway.relay.connection import Connection
from gateway.relay.trouble import Trouble
from gateway.upstream.http import HttpTransport
from gateway.upstream.observe import head_s
from gateway.upstream.wire import outgoing

Told = Callable[[Observation | None], None]  # None: the connection was dead, and another one may be asked


class Gathering:
    """A question under way; `tell` is called once, unless it is abandoned."""

    __slots__ = (
        "_begun", "_by", "_cap", "_chunks", "_connection", "_held", "_repeatable", "_side", "_tell", "_transport",
    )  # fmt: skip

    def __init__(self, side: Side, transport: HttpTransport, connection: Connection, *, cap: int, tell: Told) -> None:
        self._side, self._transport, self._tell, self._cap = side, transport, tell, cap
        self._connection: Connection | None = connection
        self._chunks: list[bytes] = []
        self._held = 0
        self._begun = self._by = 0.0
        self._repeatable = False

    def ask(self, data: bytes, *, head_only: bool, repeatable: bool, timeout_s: float) -> None:
        """Send the request, whose answer has `timeout_s` to its last byte."""
        connection, now = self._connection, asyncio.get_running_loop().time()
        if connection is None:
            return
        self._begun, self._by = perf_counter(), now + timeout_s
        self._repeatable = repeatable and connection.uses > 0
        connection.begin(self, data, head_only=head_only)
        connection.sent_whole = True
        connection.answer_by = now + head_s(timeout_s)  # the pool looks, and its breaker hears of a side that hangs

    def abandon(self) -> None:
        """Nobody wants to hear of it any more."""
        connection = self._let_go()
        if connection is not None:
            connection.fail(Trouble.RESET)
            self._transport.pool.give_back(connection)

    # Listener

    def heard(self) -> None:
        """News of the answer."""
        connection = self._connection
        if connection is None:
            return
        answer = connection.answer
        if answer.complete and not self._chunks and answer.held <= self._cap:
            self._end(connection, self._answered(connection, answer.body()))
            return
        self._held += answer.held
        self._chunks += answer.take()
        if answer.status and max(answer.length if not answer.complete else 0, self._held) > self._cap:
            self._end(connection, self._answered(connection, None))  # a part of it can be compared with nothing
        elif answer.complete:
            self._end(connection, self._answered(connection, b"".join(self._chunks)))
        elif answer.trouble is not None:
            self._end(connection, self._failed(connection, answer.trouble))
        elif answer.status:
            connection.answer_by = min(asyncio.get_running_loop().time() + self._transport.idle_s, self._by)
            connection.resume()

    def full(self) -> None:
        """The side takes its time with the request; it has no more than that."""

    room = full

    # what came of it

    def _answered(self, connection: Connection, body: bytes | None) -> Observation:
        answer, took_ms = connection.answer, (perf_counter() - self._begun) * 1000
        return Observation(
            self._side, answer.status, tuple(answer.headers), body or b"", took_ms, truncated=body is None
        )

    def _failed(self, connection: Connection, trouble: Trouble) -> Observation | None:
        answer = connection.answer
        if trouble is Trouble.RESET and answer.untouched and self._repeatable:
            return None
        failure, took_ms = self._transport.failure(trouble), (perf_counter() - self._begun) * 1000
        return Observation(self._side, None, (), b"", took_ms, failure, truncated=answer.status != 0)

    def _end(self, connection: Connection, came: Observation | None) -> None:
        self._let_go()
        self._transport.pool.give_back(connection)
        self._tell(came)

    def _let_go(self) -> Connection | None:
        connection, self._connection = self._connection, None
        self._chunks.clear()
        return connection


def gather(
    side: Side, transport: HttpTransport, request: OutboundRequest, *, timeout_s: float, cap: int, tell: Told
) -> Gathering | None:
    """Ask at once; None, and nothing is sent, where that is not possible: the long way is `observe`."""
    body = request.body or b""
    wanted = outgoing(request, transport.authority)
    if wanted is None or wanted.asks_first or not isinstance(body, bytes):
        return None
    connection = transport.pool.pick()
    if connection is None:
        return None
    gathering = Gathering(side, transport, connection, cap=cap, tell=tell)
    gathering.ask(wanted.head + body, head_only=wanted.head_only, repeatable=wanted.repeatable, timeout_s=timeout_s)
    return gathering
