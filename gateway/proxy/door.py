"""uvicorn's HTTP protocol as a door: strict about heads, sure of who has left, slow to start anything.

It leans on uvicorn's class and adds what an ASGI app cannot do:
- the request as it stood on the wire, and a future that is done when the client has gone, in the scope;
- nothing is started before all that came with a request has been parsed: what is refused has reached nobody;
- limits on heads, in bytes, fields and seconds; trailers never become headers;
- a connection that ends takes no request with it that is on its way: it says so in its last answer.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from gateway.failure import Failure
from gateway.proxy.arrival import Arrival
from gateway.proxy.cycle import Cycle, scope_of
from gateway.proxy.doorkeeper import NEVER
from gateway.proxy.exchange import Exchange
from gateway.proxy.flow import WatchedFlow
from gateway.proxy.framing import BodyAlone, is_handshake
from gateway.proxy.parting import Parting
from gateway.proxy.peer import identify
from gateway.proxy.plain import LEARNED
from gateway.proxy.receive import split_target
from gateway.proxy.reset import reset
from gateway.telemetry import count

LAST_WORD_S: Final = 0.25  # a client that has gone costs its side so much more


class Door(Parting):
    """One client connection.

    `announced` is the address of the client, when the connection is a proxy's that has told it (PROXY protocol).
    """

    announced: str | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client has connected; one that then says nothing is an idle one."""
        super().connection_made(transport)
        self.flow = WatchedFlow(transport, self.loop)
        self._keeper.enter(self)
        if self.announced is not None:
            self.client = (self.announced, 0)
        address = self.client[0] if self.client else ""
        self._peer = identify(address, self.scheme or "http", (), self._trust)
        self.leave_by = self._keeper.now + self._limits.keep_alive_s
        self._counted_for = "" if self._peer.trusted else address
        refused = self._keeper.admits(self._counted_for, connected=len(self.connections))
        if refused is not None:
            self._counted_for = ""
            self.answer(refused)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's says nothing, asyncio's may
        """The client has gone or only says its last, which looks the same: its answer is waited for, but not long."""
        waiting = self._unanswered()
        if self._shut or self._in_head or not waiting or waiting[-1].more_body or self.scheme == "https":
            return False
        waiting[-1].keep_alive = False
        self.loop.call_later(LAST_WORD_S, self.transport.close)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone; every request of it is told, not only the newest."""
        self._depart()
        self.connections.discard(self)
        self.leave_by, self._shut = NEVER, True
        self.flow.resume_writing()
        for exchange in self._unanswered():
            exchange.leave(Failure.CLIENT_GONE)
        if not self._gone.done():
            self._gone.set_result(None)

    def _depart(self) -> None:
        """The doorkeeper has no more to do with this connection."""
        self._keeper.leave(self)
        self._keeper.forget(self._counted_for)
        self._counted_for = ""

    def adopt(self, app: Any) -> None:
        """Answer what comes from now on with another app of the same kind."""
        self.app, self._head, self._trust = app, None, app.trust
        self._peer = identify(self._peer.address, self.scheme or "http", (), self._trust)

    def shutdown(self) -> None:
        """End after an answer that says so: the next one, or one to a request that may be on its way already."""
        self._leaving = True
        last = self._newest
        if last is not None and not last.response_started:
            last.keep_alive = False
        elif last is None or last.response_complete:
            self.leave_by = min(self.leave_by, self._keeper.now + self._limits.leaving_s)

    def overstayed(self) -> None:
        """The doorkeeper's clock has passed `leave_by`."""
        self.leave_by = NEVER
        unread = self.transport.get_write_buffer_size()
        if unread:  # whatever its time was up for: the end of its answer would be lost
            self.leave_by = self._unread.look_again(unread, self._keeper.now)
            if self.leave_by == NEVER:
                count("client_stalled")
                reset(self.transport)
        elif self._in_head and not self._shut:
            self.break_off(Failure.HEAD_TOO_SLOW)
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered; from here on it is looked after that it reads at all."""
        super().pause_writing()
        self._look_at_reader()

    def resume_writing(self) -> None:
        """The client has read."""
        super().resume_writing()
        if self._running is not None:
            self.leave_by = self._keeper.now + self._limits.head_s if self._in_head else NEVER
        elif self._shut:
            self.leave_by = self._keeper.now + self._limits.leaving_s
        else:
            self._go_on()

    # requests

    def exchange(self, arrival: Arrival) -> Exchange:
        """What will answer a request; the edge has a shorter way for most."""
        return Cycle(arrival, self, self._gone)

    def plain_exchange(self, arrival: Arrival, line: bytes) -> Exchange:
        """The same for a request with a plain head."""
        cycle = Cycle(arrival, self, self._gone)
        cycle.end_body()
        return cycle

    def start(self, exchange: Exchange) -> None:
        self._running = cycle = cast(Cycle, exchange)
        cycle.task = task = asyncio.Task(cycle.run(self.app, scope_of(cycle, self)), loop=self.loop, name="request")
        self.tasks.add(task)

    def answered(self) -> None:
        """The oldest request has its answer: go on with the next one, or wait for it, or end."""
        self.server_state.total_requests += 1
        done, self._running = self._running, None
        if self.transport.is_closing():
            return
        if done is not None and not done.keep_alive:
            self.pipeline.clear()  # what came behind it has reached nobody
            self._hang_up()
        elif self.flow.write_paused:
            self.flow.pause_reading()  # who asks and asks and reads nothing would fill the memory with answers
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Answer the request that waits longest, or wait for one."""
        self._unread.forget()
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            exchange, _ = self.pipeline.pop()
            self.start(cast(Exchange, exchange))
        elif self._in_head:
            self.leave_by = min(self.leave_by, self._keeper.now + self._limits.head_s)
        else:
            if self._head is not None and not self._head.block and self._head.size > LEARNED:
                self._forget_last()
            stays_s = self._limits.leaving_s if self._leaving else self._limits.keep_alive_s
            self.leave_by = self._keeper.now + stays_s

    def _forget_last(self) -> None:
        """What a large head said is not worth its bytes while nothing is asked."""
        self._head = None
        self.headers = []
        if self._newest is not None and not self._newest.more_body:
            self._newest = None

    # upgrades

    def upgrade(self, early: bytes) -> None:
        """Hand a WebSocket handshake over; any other upgrade is not offered, so its request is an ordinary one."""
        if not self._should_upgrade():
            self._read_on(early)
            return
        authority, _ = split_target(self.url)
        if self._unanswered() or not is_handshake(self.parser.get_method(), self.headers, authority):
            self.break_off(Failure.BAD_REQUEST)
            return
        self._shut = True
        self._depart()
        self.websocket(early)

    def _read_on(self, early: bytes) -> None:
        """The parser takes what follows a head that offers an upgrade for another protocol: it is a body or nothing."""
        self._upgrades = False
        if self._newest is None:
            return
        self._newest.keep_alive = False
        if self._newest.more_body:
            self.parser = cast(Any, BodyAlone(self.parser.get_method(), self.headers, self))
            self._parse(early)
        else:
            self._newest.end_body()
            self._shut = True

    def websocket(self, early: bytes) -> None:
        """Give the connection to uvicorn's WebSocket protocol; `early` came after the head."""
        _, self.url = split_target(self.url)
        self.scope = cast(Any, {"method": "GET", "headers": self.headers})
        self.handle_websocket_upgrade()
        if early:
            cast(asyncio.Protocol, self.transport.get_protocol()).data_received(early)
