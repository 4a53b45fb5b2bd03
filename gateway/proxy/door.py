"""uvicorn's HTTP protocol as a door: strict about heads, sure of who has left, slow to start anything.

It leans on uvicorn's class and adds what an ASGI app cannot do:
- the request as it stood on the wire, and a future that is done when the client has gone, in the scope;
- nothing is started before all that came with a request has been parsed: what is refused has reached nobody;
- limits on heads, in bytes, fields and seconds; trailers never become headers;
- a connection that ends takes no request with it that is on its way: it says so in its last answer.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final, Protocol, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.failure import Failure
from gateway.message import Request, once
from gateway.proxy.arrival import ADMITTED, CODING, EXPECT, HOST, LENGTH, Arrival, Head
from gateway.proxy.cycle import cycle_of
from gateway.proxy.doorkeeper import NEVER, Doorkeeper
from gateway.proxy.framing import BodyAlone, ChunkGuard
from gateway.proxy.peer import Trust, identify
from gateway.proxy.receive import path_of, request_id_of, split_target
from gateway.proxy.respond import failure_bytes
from gateway.telemetry import count, log

LEARNED: Final = 8 * 1024  # bytes of a head that a connection remembers
# The lines that most requests begin with. CONNECT, and whatever a body may come with, is left to the parser.
REQUEST_LINE: Final = re.compile(rb"(GET|HEAD|OPTIONS|DELETE) ((/[!$-;=@-Z_a-z~]*+)(?:\?[!$-;=?-Z_a-z~]*+)?) HTTP/1\.1")
PIPELINED: Final = 8  # requests that may wait behind one before reading pauses; a paused reader sees nobody leave


class _Methods(dict[bytes, str]):
    """The methods that the parser knows, as text; there are a few dozen."""

    def __missing__(self, method: bytes) -> str:
        self[method] = text = method.decode("ascii")
        return text


_METHODS: Final = _Methods()


class Exchange(Protocol):
    """A request that is being answered: by an ASGI app (`Cycle`) or by callbacks (`Relaying`)."""

    response_started: bool
    response_complete: bool
    more_body: bool
    keep_alive: bool

    def take(self, body: bytes) -> None: ...
    def end_body(self) -> None: ...
    def leave(self, failure: Failure) -> None: ...


class Door(HttpToolsProtocol):
    """One client connection. `leave_by` is when the doorkeeper ends it, for being idle or slow.

    `announced` is the address of the client, when the connection is a proxy's that has told it (PROXY protocol).
    """

    leave_by = NEVER
    announced: str | None = None

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
        super().__init__(config, server_state, app_state, _loop)
        self._keeper, self._limits, self._trust = keeper, keeper.limits, trust
        self._gone: asyncio.Future[None] = self.loop.create_future()
        self._shut = self._feeding = self._in_head = self._leaving = self._large = self._upgrades = False
        self._head_bytes = self._trailer_bytes = 0
        self._head: Head | None = None  # the last one
        self._refused: Failure | None = None
        self._chunks = ChunkGuard()
        self._running: Exchange | None = None  # the oldest one that is not answered; others wait in `pipeline`
        self._newest: Exchange | None = None  # whose body is being read
        self._held: Exchange | None = None  # to be started when all that came with it is parsed

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """A client has connected; one that then says nothing is an idle one."""
        super().connection_made(transport)
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

    def data_received(self, data: bytes) -> None:
        """Parse first, start the request that was found after."""
        if self._shut or (self._running is None and self._is_like_the_last(data)):
            return
        idle_by, self.leave_by = self.leave_by, NEVER
        self._feeding = True
        self._large = len(data) + (self._head_bytes if self._in_head else 0) > self._limits.head_bytes
        newest, chunks, was_in_head = self._newest, self._chunks, self._in_head
        in_body = newest is not None and newest.more_body
        try:
            if chunks.lets_in(data, in_head=self._in_head, in_body=in_body):
                self._parse(data)
            else:
                self._break_off(Failure.BAD_REQUEST)
        finally:
            self._feeding = False
        chunks.has_read(in_head=self._in_head)
        if self._in_head:
            self._wait_for_head(len(data), idle_by)
        elif self._running is None and self._held is None:
            self.leave_by = idle_by
        held, self._held = self._held, None
        if held is not None:
            if self._newest is held and chunks.heads == 1 and not (was_in_head or in_body or self._in_head):
                self._learn(data, held)
            self._start(held)

    def _is_like_the_last(self, data: bytes) -> bool:
        """Whether this was a request with the fields of the one before, byte for byte, and has been begun.

        The parser has judged those bytes; what is left is the request line, and one that is not plain is the parser's.
        """
        head, newest = self._head, self._newest
        if head is None or not head.block or not data.endswith(head.block) or self._in_head or self._leaving:
            return False
        line = REQUEST_LINE.fullmatch(data, 0, len(data) - len(head.block))
        if line is None or (newest is not None and newest.more_body):
            return False
        method, target, path = line.groups()
        if len(target) > self._limits.target_bytes or len(data) > self._limits.head_bytes:
            return False
        self.leave_by = NEVER
        peer = self._peer
        request = Request(
            request_id_of(head), _METHODS[method], target, path, head.fields, peer.scheme, peer.client_ip, None
        )
        self._newest = exchange = self.plain_exchange(Arrival(request, peer, None, "1.1", head), line[0])
        self._start(exchange)
        return True

    def _learn(self, data: bytes, exchange: Exchange) -> None:
        """Remember the bytes of a head that is all there is of a request: the next one is often the same."""
        head = self._head
        if head is None or head.refused != ADMITTED or head.facts & (HOST | LENGTH | CODING | EXPECT) != HOST:
            return
        if not exchange.keep_alive or exchange.more_body:
            return
        line_ends = data.find(b"\r\n")
        block = data[line_ends:]
        whole = block.find(b"\r\n\r\n") == len(block) - 4
        if whole and len(block) <= LEARNED and REQUEST_LINE.fullmatch(data, 0, line_ends) is not None:
            head.block = block

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._break_off(self._refused or Failure.BAD_REQUEST)

    def adopt(self, app: Any) -> None:
        """Answer what comes from now on with another app of the same kind."""
        self.app, self._head = app, None

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
        if self._in_head and not self._shut:
            self._break_off(Failure.HEAD_TOO_SLOW)
        else:
            self.transport.close()

    # httptools' callbacks

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._in_head = True
        self._chunks.heads += 1
        self._head_bytes = self._trailer_bytes = 0
        self.url = b""
        self.headers = []

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self.url += url
        if len(self.url) > self._limits.target_bytes:
            self._refuse(Failure.TARGET_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or a trailer, which is dropped."""
        if self._in_head:
            self.headers.append((name, value))
        else:
            self._trailer_bytes += len(name) + len(value) + 4
            if self._trailer_bytes > self._limits.head_bytes:
                self._refuse(Failure.HEAD_TOO_LARGE)
            if name.lower() in (b"connection", b"proxy-connection"):  # the parser obeys, and hears nothing any more
                self._refuse(Failure.BAD_REQUEST)

    def on_headers_complete(self) -> None:
        """The head is whole: make of it what will be started, or what waits behind another."""
        self._in_head = False
        if len(self.headers) > self._limits.head_fields or (self._large and self._is_too_large()):
            self._refuse(Failure.HEAD_TOO_LARGE)
        self._upgrades = self.parser.should_upgrade()
        if self._upgrades:
            self.headers = [(name.lower(), value) for name, value in self.headers]  # as uvicorn reads them
            if self._should_upgrade():
                self._newest = None
                return  # `_upgrade` goes on with it
        version = self.parser.get_http_version()
        arrival = self.arrival(version)
        if arrival.head.facts & CODING and not self._chunks.begin_body():
            self._refuse(Failure.BAD_REQUEST)
        exchange = self.exchange(arrival)
        exchange.keep_alive = version == "1.1" and self.parser.should_keep_alive() and not self._leaving
        self._newest = exchange
        if self._running is None and self._held is None:
            self._held = exchange
            return
        self.pipeline.appendleft((cast(RequestResponseCycle, exchange), self.app))
        if len(self.pipeline) > PIPELINED:
            self.flow.pause_reading()

    def _is_too_large(self) -> bool:
        """Whether a head is, whose last piece was large enough to bring more than the head."""
        fields = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return len(self.url) + fields > self._limits.head_bytes

    def on_body(self, body: bytes) -> None:
        """A part of a request's body."""
        self._chunks.rest = 0
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
            head = self._head = Head(self.headers)
            if self._peer.trusted:
                self._peer = identify(self._peer.address, self.scheme or "http", head.fields, self._trust)
        authority, target = (None, url) if url[:1] == b"/" else split_target(url)
        return self._arrival(self.parser.get_method(), target, authority, version, head)

    def _arrival(self, method: bytes, target: bytes, authority: bytes | None, version: str, head: Head) -> Arrival:
        peer = self._peer
        request = Request(
            request_id_of(head),
            _METHODS[method],
            target,
            path_of(target),
            head.fields,
            peer.scheme,
            peer.client_ip,
            once(b"") if head.has_body else None,  # what comes of it goes to `take`
        )
        return Arrival(request, peer, authority, version, head)

    def exchange(self, arrival: Arrival) -> Exchange:
        """What will answer a request; the edge has a shorter way for most."""
        return cycle_of(arrival, self, gone=self._gone)

    def plain_exchange(self, arrival: Arrival, line: bytes) -> Exchange:
        """The same for a request that is like the last one and has this line: nothing is left to refuse."""
        cycle = cycle_of(arrival, self, gone=self._gone)
        cycle.end_body()
        return cycle

    def _start(self, exchange: Exchange) -> None:
        self._running = exchange
        self._start_asgi_task(cast(RequestResponseCycle, exchange), self.app)

    def _unanswered(self) -> list[Exchange]:
        """The requests that have no whole answer yet, the oldest first."""
        waiting = [cast(Exchange, cycle) for cycle, _ in reversed(self.pipeline)]
        first = self._running or self._held
        return waiting if first is None or first.response_complete else [first, *waiting]

    def answered(self) -> None:
        """The oldest request has its answer: go on with the next one, or wait for it, or end."""
        self.server_state.total_requests += 1
        done, self._running = self._running, None
        if self.transport.is_closing():
            return
        if done is not None and not done.keep_alive:
            self.pipeline.clear()  # what came behind it has reached nobody
            self._hang_up(reads_on=done.more_body)
        elif self.pipeline:
            exchange, _ = self.pipeline.pop()
            self.flow.resume_reading()
            self._start(cast(Exchange, exchange))
        else:
            if self.flow.read_paused:
                self.flow.resume_reading()
            if not self._in_head:
                stays_s = self._limits.leaving_s if self._leaving else self._limits.keep_alive_s
                self.leave_by = self._keeper.now + stays_s

    def _hang_up(self, *, reads_on: bool) -> None:
        """End the connection; a client that still sends would lose the answer to a reset, so it is read for a while."""
        if not reads_on:
            self.transport.close()
            return
        self._shut = True
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.leave_by = self._keeper.now + self._limits.leaving_s

    # what goes no further

    def _wait_for_head(self, size: int, idle_by: float) -> None:
        if self._shut:
            return
        begun = self._head_bytes > 0
        self._head_bytes += size
        self.leave_by = idle_by if begun else self._keeper.now + self._limits.head_s
        if self._head_bytes > self._limits.head_bytes:
            self._break_off(Failure.HEAD_TOO_LARGE)

    def _refuse(self, failure: Failure) -> None:
        self._refused = failure
        raise ValueError(failure.code)  # httptools turns it into a parser error, which ends the parsing

    def _break_off(self, failure: Failure) -> None:
        """Read no more. What was asked rightly before is answered in turn; then, or at once, the client is told."""
        self._shut, self._in_head = True, False
        waiting = self._unanswered()
        if waiting and waiting[-1].more_body:  # the fault lies in the newest request's own body
            broken = waiting.pop()
            if not self._forget(broken):
                self._running = None
                broken.leave(failure)
                if broken.response_started:
                    self.transport.close()  # nothing of ours may stand within an answer
                    return
        if waiting:
            waiting[-1].keep_alive = False
        else:
            self.answer(failure)

    def _forget(self, exchange: Exchange) -> bool:
        """Take back a request that nobody works on yet."""
        if self._held is exchange:
            self._held = None
            return True
        for pair in list(self.pipeline):
            if cast(Exchange, pair[0]) is exchange:
                self.pipeline.remove(pair)
                return True
        return False

    def answer(self, failure: Failure) -> None:
        """Tell the client itself, in the gateway's words, and hang up."""
        count(f"refused.{failure.code}")
        if self._keeper.tells():
            log("refused", code=failure.code, client=self._peer.client_ip)
        self._shut = True
        self.transport.write(failure_bytes(failure))
        self._hang_up(reads_on=True)

    def _upgrade(self, early: bytes) -> None:
        """Hand a WebSocket handshake over; any other upgrade is not offered, so its request is an ordinary one."""
        if not self._should_upgrade():
            self._read_on(early)
            return
        if self._unanswered() or not self._is_handshake():
            self._break_off(Failure.BAD_REQUEST)
            return
        self._shut = True
        self._depart()
        self.websocket(early)

    def _is_handshake(self) -> bool:
        """Whether it is what RFC 6455 section 4.1 calls one: a GET without a body; and to one host."""
        names = [name for name, _ in self.headers]
        authority, _ = split_target(self.url)
        hosts = [value.lower() for name, value in self.headers if name == b"host"]
        return (
            self.parser.get_method() == b"GET"
            and b"content-length" not in names
            and b"transfer-encoding" not in names
            and (authority is None or [authority.lower()] == hosts)
        )

    def _read_on(self, early: bytes) -> None:
        """The parser takes what follows a head that offers an upgrade for another protocol: it is a body or nothing."""
        self._upgrades = False
        if self._newest is None:
            return
        self._newest.keep_alive = False
        if self._newest.more_body:
            self.parser = cast(Any, BodyAlone(self.headers, self))
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
