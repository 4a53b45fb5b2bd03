"""The connections to one upstream: bounded, the warmest used first, closed before the origin gets tired of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile
from typing import Final

from gateway.relay.address import Address, P
from gateway.relay.addresses import Addresses
from gateway.relay.breaker import State
from gateway.relay.cause import Cause
from gateway.relay.connection import Connection
from gateway.relay.dial import Reached, dial
from gateway.relay.figures import PoolFigures
from gateway.relay.line import Line
from gateway.relay.trouble import Trouble

IDLE_S: Final = 4.0  # Node closes an idle connection after 5 s; leave first, or meet its reset
TICK_S: Final = 0.1  # how exactly deadlines are kept


@dataclass(frozen=True, slots=True)
class Bounds:
    """Connections at once; callers who wait for one, and for how long; how long connecting may take."""

    connections: int = 1_000
    waiting: int = 1_000
    wait_s: float = 3.0
    connect_s: float = 5.0


class _Room(Enum):
    """What somebody in line is given who may make a connection of their own; it counts as being made already."""

    YES = "yes"


class Pool:
    """Make it inside the running loop. Whatever `take` or `pick` gave comes back through `give_back`, once."""

    def __init__(self, addresses: Addresses, bounds: Bounds) -> None:
        self._addresses = addresses
        addresses.unfit = self._drop_idle
        self._bounds = bounds
        self._loop = asyncio.get_running_loop()
        self._home: dict[Connection, Address] = {}  # of every open connection
        self._busy: set[Connection] = set()
        self._idle: dict[Connection, float] = {}  # and until when it is kept; the longest idle first
        self._probes: list[Connection] = []  # made while a breaker was half-open, and not answered yet
        self._connecting = self._opened = 0
        self._shed = dict.fromkeys((Trouble.BUSY, Trouble.UNAVAILABLE), 0)
        self._line: Line[Connection | _Room] = Line(self._pass_on, most=bounds.waiting, wait_s=bounds.wait_s)
        self._ticking: asyncio.TimerHandle | None = None
        self._closed = False

    def pick(self) -> Connection | None:
        """The warmest idle connection, at once or not at all."""
        idle = self._idle
        while idle:  # and while there is one, the clock ticks
            connection, _ = idle.popitem()
            if not connection.transport.is_closing():
                self._busy.add(connection)
                return connection
        return None

    async def take(self) -> Connection | Trouble:
        """A connection to send one request on, new or not."""
        taken = self.pick() or await self._wait_or_connect()
        if isinstance(taken, Trouble) and taken in self._shed:
            self._shed[taken] += 1
        return taken

    def give_back(self, connection: Connection) -> None:
        """The exchange is over: keep the connection if it may be used again, close it if not."""
        if connection not in self._busy:
            return  # it died while it was read, and its place has been given away
        keep = connection.reusable and not self._closed
        if (address := self._home[connection]).special:
            keep = self._reconsider(connection, address) and keep
        connection.rest()
        if keep and not self._line:
            self._busy.discard(connection)
            self._idle[connection] = self._loop.time() + IDLE_S
        elif keep:
            self._pass_on(connection)
        else:
            self._busy.discard(connection)
            connection.transport.abort()
            self._use_room()

    async def dial(self, make: Callable[[], P]) -> P | Trouble:
        """A connection of the caller's own, for as long as it likes: it takes no place in the pool."""
        reached = await self._dial(make)
        return reached if isinstance(reached, Trouble) else reached.protocol

    def figures(self) -> PoolFigures:
        """What is to be seen from outside."""
        return PoolFigures(
            busy=len(self._busy),
            idle=len(self._idle),
            connecting=self._connecting,
            waiting=len(self._line),
            opened_total=self._opened,
            shed={trouble.name.lower(): count for trouble, count in self._shed.items()},
            misses=dict(self._addresses.misses),
            addresses=self._addresses.figures(),
        )

    async def aclose(self) -> None:
        """Close every connection; exchanges under way are cut."""
        self._closed = True
        if self._ticking is not None:
            self._ticking.cancel()
        self._line.dissolve(Trouble.UNREACHABLE)
        self._busy.clear()  # what is cut from here is no trouble of an origin's
        for connection in list(self._home):
            connection.fail(Trouble.RESET)
        await self._addresses.aclose()
        await asyncio.sleep(0)  # the transports close on the next turn of the loop

    # new connections

    async def _wait_or_connect(self) -> Connection | Trouble:
        while not self._closed:
            if self._addresses.all_open(self._loop.time()):
                return Trouble.UNAVAILABLE
            if self._has_room() and not self._line:
                self._connecting += 1
                return await self._connect()
            given = await self._line.stand()
            if given is _Room.YES:
                return await self._connect()
            if isinstance(given, Trouble) or not given.transport.is_closing():
                return given
        return Trouble.UNREACHABLE

    async def _connect(self) -> Connection | Trouble:
        """Make a connection; its place counts in `_connecting` already."""
        try:
            reached = await self._dial(lambda: Connection(self._loop, self._lost))
            return reached if isinstance(reached, Trouble) else self._welcome(reached.protocol, reached.address)
        finally:
            self._connecting -= 1
            self._use_room()

    async def _dial(self, make: Callable[[], P]) -> Reached[P] | Trouble:
        return await dial(self._addresses, make, deadline=self._loop.time() + self._bounds.connect_s)

    def _welcome(self, connection: Connection, address: Address) -> Connection | Trouble:
        if self._closed:
            connection.transport.abort()
            return Trouble.UNREACHABLE
        if connection.transport.is_closing():  # accepted and closed, in one turn of the loop
            self._addresses.missed(address, Cause.RESET, self._loop.time())
            return Trouble.RESET
        self._opened += 1
        address.connections += 1
        self._home[connection] = address
        self._busy.add(connection)
        if address.breaker.state is State.HALF_OPEN:
            self._probes.append(connection)
        if self._ticking is None:
            self._ticking = self._loop.call_later(TICK_S, self._tick, context=Context())
        return connection

    # places

    def _pass_on(self, connection: Connection | _Room) -> None:
        """A connection, or room for one, goes to the first in line, or back."""
        if self._line.give(connection):
            return
        if connection is _Room.YES:
            self._connecting -= 1
        elif connection in self._busy:  # not lost since it was given to somebody who has left
            self._busy.discard(connection)
            self._idle[connection] = self._loop.time() + IDLE_S

    def _has_room(self) -> bool:
        return len(self._busy) + self._connecting < self._bounds.connections

    def _use_room(self) -> None:
        """Let the first in line make a connection, if there is room for one."""
        if self._line and self._has_room():
            self._connecting += 1
            self._pass_on(_Room.YES)

    def _lost(self, connection: Connection) -> None:
        """A connection is gone; its place is free even while what it brought is still being read."""
        address = self._home.pop(connection, None)
        if address is None:
            return
        address.connections -= 1
        self._idle.pop(connection, None)
        if connection in self._busy:
            self._busy.discard(connection)
            answer = connection.answer
            tired = connection.uses > 1 and answer.untouched  # the origin had closed it while it was idle
            if connection.asked and answer.trouble is Trouble.RESET and not answer.status and not tired:
                self._addresses.missed(address, Cause.RESET, self._loop.time())
            self._use_room()

    def _reconsider(self, connection: Connection, address: Address) -> bool:
        """Tell what became of an exchange with an address that needs looking after; whether the connection may stay."""
        if connection.answer.status:
            self._addresses.answered(address)
        if address.retired:
            return False
        if address.surplus > 0:
            address.surplus -= 1
            return False
        address.special = address.breaker.misses > 0
        return True

    def _drop_idle(self, address: Address) -> None:
        for connection in [one for one in self._idle if self._home[one] is address]:
            del self._idle[connection]
            connection.transport.close()

    # the clock

    def _tick(self) -> None:
        """One coarse clock for every exchange and every idle connection, instead of a timer for each."""
        now = self._loop.time()
        self._ticking = self._loop.call_later(TICK_S, self._tick)  # first: a listener that fails must not stop it
        # thousands of streams may be open, and while they are looked at nobody is served: no call for each of them
        late = [one for one in self._busy if one.answer_by < now or one.taken_by < now or one.body_by < now]
        for connection in late:
            if (trouble := connection.overdue(now)) is not None:
                self._fail(connection, trouble, now)
        for connection in list(takewhile(lambda kept: self._idle[kept] < now, self._idle)):
            del self._idle[connection]
            connection.transport.close()
        self._look_at_probes()
        self._addresses.tick(now)
        if not self._busy and not self._idle:
            self._ticking.cancel()
            self._ticking = None

    def _fail(self, connection: Connection, trouble: Trouble, now: float) -> None:
        if connection not in self._busy:  # who heard of another one has let go of this
            return
        if trouble is Trouble.TIMEOUT and not connection.answer.status:
            self._addresses.missed(self._home[connection], Cause.TIMEOUT, now)
        connection.fail(trouble)

    def _look_at_probes(self) -> None:
        """An answer that has begun is enough, also of a stream that never ends."""
        for probe in self._probes:
            if probe in self._busy and probe.answer.status:
                self._addresses.answered(self._home[probe])
        self._probes = [probe for probe in self._probes if probe in self._busy and not probe.answer.status]
