"""The client's end of a WebSocket whose bytes are spliced: early bytes, a refusal, the end of the process.

It is what uvicorn has of the connection from the handshake on, in the door's place. It decides nothing: who answers,
and with which head, is `splice.py`'s.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, cast

from gateway.proxy import wire
from gateway.proxy.frames import Frames, close_frame
from gateway.proxy.wire import Framing
from gateway.relay.answer import AnswerReader
from gateway.relay.origin_end import OriginEnd
from gateway.relay.trouble import Trouble
from gateway.relay.tunnel import End

EARLY_BYTES: Final = 64 * 1024  # of a client that does not wait for the 101; then it has to
GOING_AWAY, RESTARTING = 1001, 1012  # RFC 6455 section 7.4.1, and IANA's registry of close codes


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: of silence in an open WebSocket (0: any), and for the closing handshake when the process ends."""

    idle_s: float
    close_s: float


class _Phase(Enum):
    """What becomes of the client's bytes: they are held, passed on, or nobody's."""

    OPENING = auto()
    OPEN = auto()
    REFUSED = auto()


class ClientEnd(End):
    """`connections` is uvicorn's set: whoever is in it is told of the end of the process, by `shutdown`."""

    __slots__ = (
        "_clock", "_connections", "_down", "_draining", "_early", "_early_bytes", "_framing", "_leaving", "_on_cut",
        "_patience", "_phase", "_quiet_s", "_up", "on_over", "opening",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, connections: set[Any], patience: Patience) -> None:
        super().__init__(loop)
        self._connections = connections
        self._patience = patience
        self._phase = _Phase.OPENING
        self._early: list[bytes] = []
        self._early_bytes = 0
        self._framing = Framing.BODILESS
        self._on_cut: Callable[[Trouble], None] | None = None
        self._down, self._up = Frames(masked=False), Frames(masked=True)
        self._draining = self._leaving = False
        self._quiet_s = 0.0
        self._clock: asyncio.TimerHandle | None = None
        self.opening: asyncio.Task[None] | None = None
        self.on_over: Callable[[], None] | None = None

    def adopt(self, transport: asyncio.Transport, early: bytes) -> None:
        """Take a connection over from the door, with what came after the head."""
        self._connections.add(self)
        self.connection_made(transport)
        transport.set_protocol(self)
        transport.resume_reading()
        if early:
            self._hold(early)

    # what becomes of the handshake

    def open(self, head: bytes, origin: OriginEnd, rest: bytes) -> None:
        """The upgrade was accepted: the client gets its head, the origin what the client has said meanwhile."""
        self._phase, early = _Phase.OPEN, b"".join(self._early)
        self._early.clear()
        origin.settle()
        self.join(origin)
        super().take(head + self._down.pass_on(rest))
        origin.take(self._up.pass_on(early))
        self._watch(self._patience.idle_s)
        if origin.gone:
            self.hang_up()
        elif self._draining:
            self.leave(RESTARTING)

    def refuse(
        self, head: bytes, origin: OriginEnd, framing: Framing, quiet_s: float, cut: Callable[[Trouble], None]
    ) -> None:
        """The upgrade was refused with an answer; after its body the connection ends, as nobody knows what follows.

        `cut` is told when the answer does not reach its end.
        """
        self._phase, self._framing, self._on_cut = _Phase.REFUSED, framing, cut
        self._early.clear()
        self.join(origin)
        origin.heard = self._pass_answer_on
        super().take(head)
        self._watch(quiet_s)
        self._pass_answer_on()

    def end_with(self, answer: bytes) -> None:
        """There is no origin's answer; this one is ours."""
        self._phase = _Phase.REFUSED
        self._early.clear()
        super().take(answer)
        self.hang_up()

    def _pass_answer_on(self) -> None:
        origin = cast(OriginEnd, self.other)
        answer = cast(AnswerReader, origin.reader and origin.reader.answer)
        chunks = answer.take()
        if self._framing is Framing.CHUNKED:
            super().take(b"".join(map(wire.chunk, filter(None, chunks))))
        elif self._framing is Framing.SIZED:
            super().take(b"".join(chunks))
        if answer.complete:
            if self._framing is Framing.CHUNKED:
                super().take(wire.last_chunk(answer.trailers))
            origin.settle()
            origin.transport.abort()
            self.hang_up()
        elif answer.trouble is not None:
            self._cut_answer(answer.trouble)

    def _cut_answer(self, trouble: Trouble) -> None:
        """What was sent must not look whole."""
        if self._on_cut is not None:
            self._on_cut(trouble)
        cast(OriginEnd, self.other).settle()
        self.reset()
        self._cut()

    # the end

    def shutdown(self) -> None:
        """The process ends: say so between two frames. A handshake or an answer under way is finished first."""
        self._draining = True
        if self._phase is _Phase.OPEN:
            self.leave(RESTARTING)

    def leave(self, code: int) -> None:
        """Close both ends, the client's with `code`; a closing handshake that has begun goes on by itself."""
        origin = self.other
        if self._leaving or origin is None:
            return
        self._leaving = True
        self._set_clock(self._patience.close_s, self._cut)
        if not self._down.closed and not self._up.closed:
            super().take(self._down.say_farewell(close_frame(code)))
            origin.take(self._up.say_farewell(close_frame(GOING_AWAY, mask=os.urandom(4))))
        self._leave_on()

    def over(self) -> None:
        """Both ends are gone."""
        super().over()
        self._connections.discard(self)
        if self._clock is not None:
            self._clock.cancel()
        if self.on_over is not None:
            self.on_over()

    def _leave_on(self) -> None:
        """Hang up on each end that has said its Close and heard one, and where nobody knows how to say it."""
        down, up, origin = self._down, self._up, self.other
        if not down.known or (up.closed and down.ended):
            self.hang_up()
        if origin is not None and (not up.known or (down.closed and up.ended)):
            origin.hang_up()

    def _cut(self) -> None:
        self.transport.abort()
        if self.other is not None:
            self.other.transport.abort()

    # silence

    def _watch(self, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        if quiet_s:
            self.heard_at = self._loop.time()
            self._set_clock(quiet_s, self._tick)

    def _tick(self) -> None:
        origin = self.other
        if origin is None or self._leaving:
            return
        left = max(self.heard_at, origin.heard_at) + self._quiet_s - self._loop.time()
        if left > 0:
            self._set_clock(left, self._tick)
        elif self._phase is _Phase.OPEN:
            self.leave(GOING_AWAY)
        else:
            self._cut_answer(Trouble.TIMEOUT)

    def _set_clock(self, seconds: float, then: Callable[[], None]) -> None:
        if self._clock is not None:
            self._clock.cancel()
        self._clock = self._loop.call_later(seconds, then)

    # asyncio.Protocol, and End

    def data_received(self, data: bytes) -> None:
        """Bytes of the client: held until the origin has answered, nobody's when it has refused."""
        if self._phase is _Phase.OPENING:
            self._hold(data)
        elif self._phase is _Phase.OPEN:
            super().data_received(self._up.pass_on(data))
            if self._leaving:
                self._leave_on()

    def take(self, data: bytes) -> None:
        """Send what the origin has sent, or of it what comes before our farewell."""
        super().take(self._down.pass_on(data))
        if self._leaving:
            self._leave_on()

    def eof_received(self) -> bool:
        """The client says its last; before the WebSocket is open it has gone."""
        if self._phase is _Phase.OPEN:
            return super().eof_received()
        self.eof = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        if self.opening is not None:
            self.opening.cancel()
        alone = self.other is None
        if isinstance(self.other, OriginEnd) and self._phase is _Phase.REFUSED:
            self.other.settle()  # nobody is left to hear the rest
            self.other.reset()
        super().connection_lost(exc)
        if alone:
            self.over()

    def _hold(self, data: bytes) -> None:
        self._early.append(data)
        self._early_bytes += len(data)
        if self._early_bytes > EARLY_BYTES:
            self.pause()
