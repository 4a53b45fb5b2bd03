"""The connections to one origin: bounded, the warmest used first, closed before the origin gets tired of them."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from gateway.relay.connection import Connection
from gateway.relay.trouble import Trouble

IDLE_S: Final = 4.0  # Node closes an idle connection after 5 s; leave first, or meet its reset
TICK_S: Final = 0.1  # how exactly deadlines are kept


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to connect: host and port, and how TLS is spoken there (None: not at all)."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class Pool:
    """Make it inside the running loop."""

    def __init__(self, origin: Origin, *, max_connections: int, connect_timeout_s: float) -> None:
        self._origin = origin
        self._max = max_connections
        self._connect_timeout_s = connect_timeout_s
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Connection, float] = {}  # and until when it is kept; the longest idle first
        self._busy: set[Connection] = set()
        self._connecting = 0
        self._line: deque[asyncio.Future[None]] = deque()
        self._ticking: asyncio.TimerHandle | None = None
        self._closed = False

    async def take(self) -> Connection | Trouble:
        """A connection to send one request on; give it back with `give_back` whatever happened on it."""
        deadline = self._loop.time() + self._connect_timeout_s
        while not self._closed:
            connection = self.pick()
            if connection is not None:
                return connection
            if self._has_room():
                return await self._connect(deadline)
            if not await self._stand_in_line(deadline):
                return Trouble.BUSY
        return Trouble.UNREACHABLE

    def pick(self) -> Connection | None:
        """The warmest idle connection, at once or not at all; give it back like one that was taken."""
        idle = self._idle
        while idle:  # and while there is one, the clock ticks
            connection, _ = idle.popitem()
            if not connection.transport.is_closing():
                self._busy.add(connection)
                return connection
        return None

    def give_back(self, connection: Connection) -> None:
        """The exchange is over: keep the connection if it may be used again, close it if not."""
        if connection not in self._busy:
            return  # it died while it was read, and its place has been given away
        self._busy.discard(connection)
        if connection.reusable and not self._closed:
            connection.rest()
            self._idle[connection] = self._loop.time() + IDLE_S
        else:
            connection.rest()
            connection.transport.abort()
        self._call_next()

    async def aclose(self) -> None:
        """Close every connection; exchanges under way are cut."""
        self._closed = True
        if self._ticking is not None:
            self._ticking.cancel()
        for connection in [*self._busy, *self._idle]:
            connection.fail(Trouble.RESET)
        for _ in range(len(self._line)):
            self._call_next()  # to be told that it is closed
        await asyncio.sleep(0)  # the transports close on the next turn of the loop

    async def _stand_in_line(self, deadline: float) -> bool:
        """Wait to be called; False when the deadline came first."""
        place: asyncio.Future[None] = self._loop.create_future()
        self._line.append(place)
        called = False
        try:
            async with asyncio.timeout_at(deadline):
                await place
            called = True
        except TimeoutError:
            pass
        finally:
            if place in self._line:
                self._line.remove(place)
            elif not called and not place.cancelled():  # it was called in the very turn in which it left
                self._call_next()
        return called

    async def _connect(self, deadline: float) -> Connection | Trouble:
        self._connecting += 1
        origin = self._origin
        try:
            async with asyncio.timeout_at(deadline):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, self._lost), origin.host, origin.port, ssl=origin.tls
                )
        except TimeoutError:
            return Trouble.CONNECT_TIMEOUT
        except OSError:  # refused, unknown name, no route; ssl.SSLError is one, too
            return Trouble.UNREACHABLE
        finally:
            self._connecting -= 1
            if not self._idle:
                self._call_next_if_room()
        return self._hand_out(connection)

    def _hand_out(self, connection: Connection) -> Connection:
        self._busy.add(connection)
        if self._ticking is None:
            self._ticking = self._loop.call_later(TICK_S, self._tick)
        return connection

    def _lost(self, connection: Connection) -> None:
        """A connection is gone; its place is free even while what it brought is still being read."""
        if connection in self._busy:
            self._busy.discard(connection)
            self._call_next_if_room()
        else:
            self._idle.pop(connection, None)

    def _call_next(self) -> None:
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(None)
                return

    def _has_room(self) -> bool:
        return len(self._busy) + self._connecting < self._max

    def _call_next_if_room(self) -> None:
        if self._has_room():
            self._call_next()

    def _tick(self) -> None:
        """One coarse clock for every exchange and every idle connection, instead of a timer for each."""
        now = self._loop.time()
        for connection in list(self._busy):
            trouble = connection.overdue(now)
            if trouble is not None:
                connection.fail(trouble)
        for connection in list(takewhile(lambda kept: self._idle[kept] < now, self._idle)):
            del self._idle[connection]
            connection.transport.close()
        self._ticking = self._loop.call_later(TICK_S, self._tick) if self._busy or self._idle else None
