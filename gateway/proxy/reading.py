"""A client's requests out of its bytes: strict about heads, and slow to start anything.

It leans on uvicorn's protocol class and adds what that does not look at:
- nothing is started before all that came with a request has been parsed: what is refused has reached nobody;
- limits on heads, in bytes, fields (`parsing.py`) and seconds; trailers never become headers;
- a request whose head is plain is read at a glance, as most are.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
from uvicorn.server import ServerState

from gateway.failure import Failure
from gateway.message import Request, once
from gateway.proxy.arrival import CODING, TELLS_ID, Arrival, Head
from gateway.proxy.doorkeeper import NEVER, Doorkeeper, Unread
from gateway.proxy.exchange import Exchange
from gateway.proxy.parsing import Parsing
from gateway.proxy.peer import Peer, Trust, identify
from gateway.proxy.plain import METHODS, plain_line
from gateway.proxy.receive import new_request_id, path_of, request_id_of, split_target
from gateway.relay.turns import AT_ONCE, let_others

PIPELINED: Final = 8  # requests that may wait behind one before reading pauses; a paused reader sees nobody leave


class Reading(Parsing):
    """One client connection as far as it is read; `leave_by` is when the doorkeeper ends it, for being idle or slow."""

    leave_by = NEVER

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        keeper: Doorkeeper,
        trust: Trust = Trust(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__(config, server_state, app_state, _loop, limits=keeper.limits)
        self._keeper, self._trust = keeper, trust
        self._peer: Peer
        self._gone: asyncio.Future[None] = self.loop.create_future()
        self._shut = self._feeding = self._leaving = self._upgrades = False
        self._body_bytes = 0
        self._unread = Unread(self._limits)
        self._head: Head | None = None  # the last one
        self._running: Exchange | None = None  # the oldest one that is not answered; others wait in `pipeline`
        self._newest: Exchange | None = None  # whose body is being read
        self._held: Exchange | None = None  # to be started when all that came with it is parsed

    def data_received(self, data: bytes) -> None:
        """Parse first, start the request that was found after."""
        if self._shut or (self._running is None and self._is_plain(data)):
            return
        idle_by, self.leave_by = self.leave_by, NEVER
        self._feeding, self._body_bytes = True, 0
        self._large = len(data) + (self._head_bytes if self._in_head else 0) > self._limits.head_bytes
        newest, chunks = self._newest, self._chunks
        in_body = newest is not None and newest.more_body
        try:
            if chunks.lets_in(data, in_head=self._in_head, in_body=in_body):
                self._parse(data)
            else:
                self.break_off(Failure.BAD_REQUEST)
        finally:
            self._feeding = False
        chunks.has_read(in_head=self._in_head)
        if self._in_head:
            self._wait_for_head(data, idle_by)
        elif self.leave_by == NEVER and ((self._running is None and self._held is None) or self.flow.write_paused):
            self.leave_by = idle_by  # nobody has set another meanwhile
        held, self._held = self._held, None
        if held is not None:
            self.start(held)
        if len(data) >= AT_ONCE and not self._shut:
            let_others(self.transport, lambda: self.flow.read_paused)

    def _is_plain(self, data: bytes) -> bool:
        """Whether this was one whole request with a plain head, and nothing else, and has been begun."""
        newest, limits = self._newest, self._limits
        if self._in_head or self._leaving or self.flow.write_paused or len(data) > limits.head_bytes:
            return False
        if newest is not None and newest.more_body:
            return False
        head, line = self._head, None
        if head is not None and head.block and data.endswith(head.block):
            line = plain_line(data, head.block)
        if line is None or head is None:
            found = self._keeper.heads.read(data, self._peer.address, most_fields=limits.head_fields)
            if found is None:
                return False
            line, head = found
            self._last_head_is(head)
        method, target, path = line.groups()
        if len(target) > limits.target_bytes:
            return False
        self.leave_by = NEVER
        peer, keeper = self._peer, self._keeper
        if keeper.has_rate and keeper.is_asked_too_often(peer.client_ip):
            self.break_off(Failure.TOO_MANY_REQUESTS, method)
            return True
        request_id = request_id_of(head) if head.facts & TELLS_ID else new_request_id()
        request = Request(request_id, METHODS[method], target, path, head.fields, peer.scheme, peer.client_ip, None)
        self._newest = exchange = self.plain_exchange(Arrival(request, peer, None, "1.1", head), line[0])
        self.start(exchange)
        return True

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.break_off(self._refused or Failure.BAD_REQUEST)

    # httptools' callbacks

    def on_headers_complete(self) -> None:
        """The head is whole: make of it what will be started, or what waits behind another."""
        self._in_head = False
        if len(self.headers) > self._limits.head_fields or (self._large and self.head_is_too_large()):
            self.refuse(Failure.HEAD_TOO_LARGE)
        self._upgrades = self.parser.should_upgrade()
        if self._upgrades:
            self.headers = [(name.lower(), value) for name, value in self.headers]  # as uvicorn reads them
            if self._should_upgrade():
                self.arrival(self.parser.get_http_version())
                self._count()
                self._newest = None
                return  # `_upgrade` goes on with it
        version = self.parser.get_http_version()
        arrival = self.arrival(version)
        self._count()
        if arrival.head.facts & CODING and not self._chunks.begin_body():
            self.refuse(Failure.BAD_REQUEST)
        exchange = self.exchange(arrival)
        exchange.keep_alive = version == "1.1" and self.parser.should_keep_alive() and not self._leaving
        self._newest = exchange
        if self._running is None and self._held is None:
            self._held = exchange
            return
        self.pipeline.appendleft((cast(RequestResponseCycle, exchange), self.app))
        if len(self.pipeline) > PIPELINED:
            self.flow.pause_reading()

    def _count(self) -> None:
        """One more request of this client."""
        if self._keeper.is_asked_too_often(self._peer.client_ip):
            self.refuse(Failure.TOO_MANY_REQUESTS)

    def on_body(self, body: bytes) -> None:
        """A part of a request's body."""
        self._chunks.rest = 0
        self._body_bytes += len(body)
        if self._newest is not None:
            self._newest.take(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        self._chunks.lines = None
        if self._newest is not None and not self._upgrades:
            self._newest.end_body()

    # requests

    def arrival(self, version: str) -> Arrival:
        """The request whose head the parser has just read."""
        head, url = self._head, self.url
        if head is None or head.raw != self.headers:
            head = Head.of(self.headers)
            self._last_head_is(head)
        authority, target = (None, url) if url[:1] == b"/" else split_target(url)
        return self._arrival(self.parser.get_method(), target, authority, version, head)

    def _last_head_is(self, head: Head) -> None:
        """Whoever asks next with these fields has these."""
        self._head = head
        if self._peer.trusted:
            self._peer = identify(self._peer.address, self.scheme or "http", head.fields, self._trust)

    def _arrival(self, method: bytes, target: bytes, authority: bytes | None, version: str, head: Head) -> Arrival:
        peer = self._peer
        request = Request(
            request_id_of(head),
            METHODS[method],
            target,
            path_of(target),
            head.fields,
            peer.scheme,
            peer.client_ip,
            once(b"") if head.has_body else None,  # what comes of it goes to `take`
        )
        return Arrival(request, peer, authority, version, head)

    def exchange(self, arrival: Arrival) -> Exchange:
        """What will answer a request."""
        raise NotImplementedError

    def plain_exchange(self, arrival: Arrival, line: bytes) -> Exchange:
        """The same for a request without a body that has this line, which is plain."""
        raise NotImplementedError

    def _wait_for_head(self, data: bytes, idle_by: float) -> None:
        if self._shut:
            return
        begun, size = self._head_bytes > 0, len(data)
        if not begun:  # what came before it was of other requests: it has no end of a head, and no body
            end = data.rfind(b"\r\n\r\n")
            size = max(1, min(size if end < 0 else size - end - 4, size - self._body_bytes))
        self._head_bytes += size
        self.leave_by = idle_by if begun else self._keeper.now + self._limits.head_s
        if self._head_bytes > self._limits.head_bytes:
            self.break_off(Failure.HEAD_TOO_LARGE)

    # what a door does with them

    def start(self, exchange: Exchange) -> None:
        """Have a request answered whose turn it is."""
        raise NotImplementedError

    def break_off(self, failure: Failure, method: bytes = b"") -> None:
        """Read no more. `method` is that of a request that the parser has not seen."""
        raise NotImplementedError

    def upgrade(self, early: bytes) -> None:
        """Go on with a head that offers another protocol; `early` came after it."""
        raise NotImplementedError
