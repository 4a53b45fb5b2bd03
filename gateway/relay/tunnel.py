"""Two connections joined end to end after an upgrade: bytes pass as they came, and it never looks into them.

- What one end receives the other takes; an end that is full makes its other end stop reading.
- An end that says its last (FIN) has that passed on; the other direction goes on for as long as it flows.
- A reset is passed on as a reset, also while nothing is read.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, cast

from gateway.relay.turns import AT_ONCE, let_others

KEEPALIVE: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))  # a dead peer is gone in 2 min
_NO_LINGER: Final = struct.pack("ii", 1, 0)  # SO_LINGER that makes a close a reset


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds: how often it is looked whether an end that is not read from is still there, how long one direction may
    be silent once the other has ended, how long an end that is hung up on may take to hang up or to take what is left.
    """

    look_s: float = 0.5
    half_open_s: float = 10.0
    linger_s: float = 5.0


USUAL: Final = Times()


class End(asyncio.Protocol):
    """One of two connections. `other` is None until they are joined; `over` is called when both are gone."""

    __slots__ = (
        "_ending", "_hanging", "_looking", "_loop", "_paused", "_times", "eof", "finished", "gone", "heard_at",
        "other", "transport",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, times: Times = USUAL) -> None:
        self._loop = loop
        self._times = times
        self.transport: asyncio.Transport
        self.other: End | None = None
        self.eof = self.finished = self.gone = False  # it said its last; it was told ours; its connection is lost
        self._paused = self._looking = self._hanging = False
        self._ending: asyncio.TimerHandle | None = None  # of its end
        self.heard_at = 0.0

    def join(self, other: End) -> None:
        """Let bytes pass between two ends from now on; an end that is full already makes the other wait."""
        self.other, other.other = other, self
        for end, source in ((self, other), (other, self)):
            if _is_full(end.transport):
                source.pause()
            else:
                source.resume()

    def take(self, data: bytes) -> None:
        """Send what the other end has received."""
        if data and not self.finished and not self.transport.is_closing():
            self.transport.write(data)

    def pause(self) -> None:
        """Read no more for now; whoever sends is made to wait."""
        if not self._paused and not self.eof and not self._hanging:
            self._paused = True
            self.transport.pause_reading()
            if not self._looking:
                self._looking = True
                self._loop.call_later(self._times.look_s, self._look)

    def resume(self) -> None:
        """Read on."""
        if self._paused:
            self._paused = False
            if not self.eof and not self.gone:
                self.transport.resume_reading()

    def finish(self) -> None:
        """Say our last: send what is left, then FIN."""
        if self.finished or self.transport.is_closing():
            return
        self.finished = True
        if self.transport.can_write_eof():
            with suppress(OSError):  # it has been reset, which we have yet to hear
                self.transport.write_eof()
        else:
            self.transport.close()  # TLS has no half of a connection

    def hang_up(self) -> None:
        """Send what is left, then end; what still comes is dropped, because unread bytes would reset what was sent."""
        if self.gone or self._hanging:
            return
        self._hanging = True
        if self.eof:
            self.transport.close()
        else:
            self.finish()
            self.resume()
        self._linger(left=-1)

    def reset(self) -> None:
        """End at once, with a reset."""
        if self.gone:
            return
        with suppress(OSError):
            _socket(self.transport).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.transport.abort()

    def over(self) -> None:
        """Both ends are gone."""
        self.other = None

    def _end_within(self, seconds: float, then: Callable[[], None]) -> None:
        if self._ending is not None:
            self._ending.cancel()
        self._ending = self._loop.call_later(seconds, then)

    def _linger(self, left: int) -> None:
        if self.gone:
            return
        still = self.transport.get_write_buffer_size()
        if left == -1 or 0 < still < left:
            self._end_within(self._times.linger_s, lambda: self._linger(still))
        else:
            self.transport.abort()

    def _look(self) -> None:
        self._looking = False
        if self.gone or not self._paused or self.transport.is_closing():
            return
        if is_broken(self.transport, also_ended=self.other is None):
            self._break()
        else:
            self._looking = True
            self._loop.call_later(self._times.look_s, self._look)

    def _break(self) -> None:
        """This end was reset."""
        if self.other is not None:
            self.other.reset()
        self.transport.abort()

    def _outlast(self) -> None:
        """The other end has said its last; this one may go on for as long as it does."""
        if self.gone or self._hanging or self.eof:
            return
        left = self.heard_at + self._times.half_open_s - self._loop.time()
        if left > 0:
            self._end_within(left, self._outlast)
            return
        self.hang_up()
        if self.other is not None:
            self.other.hang_up()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands; the kernel finds out when its peer dies without a word."""
        self.transport = transport = cast(asyncio.Transport, transport)
        self.heard_at = self._loop.time()
        sock = _socket(transport)
        with suppress(OSError):  # a socket that is no TCP socket
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in KEEPALIVE:
                if hasattr(socket, name):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def data_received(self, data: bytes) -> None:
        """Bytes for the other end; nobody's when that is gone."""
        self.heard_at = self._loop.time()
        if self.other is not None and not self.other.gone:
            self.other.take(data)
        if len(data) >= AT_ONCE:
            let_others(self.transport, lambda: self._paused or self.eof)

    def eof_received(self) -> bool:
        """This end says its last: the other hears of it. True keeps this one open for what the other still says."""
        self.eof = True
        other = self.other
        if other is None or other.gone or other.eof or self.finished:
            if other is not None:
                other.hang_up()
            return False
        other.finish()
        other._end_within(self._times.half_open_s, other._outlast)
        return self.transport.can_write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; an error after its last word is only our own last words not taken."""
        self.gone = True
        if self._ending is not None:
            self._ending.cancel()  # it would keep both ends in memory
        other = self.other
        if other is None:
            return
        if other.gone:
            other.over()
            self.over()
        elif exc is None or self.eof:
            other.hang_up()
        else:
            other.reset()

    def pause_writing(self) -> None:
        """The socket is full."""
        if self.other is not None:
            self.other.pause()

    def resume_writing(self) -> None:
        """The socket takes more."""
        if self.other is not None:
            self.other.resume()


def _is_full(transport: asyncio.Transport) -> bool:
    """Whether `pause_writing` was called for it, perhaps on a protocol that it had before."""
    _, high = transport.get_write_buffer_limits()
    return transport.get_write_buffer_size() > high


def _socket(transport: asyncio.BaseTransport) -> socket.socket:
    return cast(socket.socket, transport.get_extra_info("socket"))


def is_broken(transport: asyncio.Transport, *, also_ended: bool) -> bool:
    """Whether the peer has reset the connection, or `also_ended` it, which nobody is told who does not read."""
    look = select.poll()
    ended = getattr(select, "POLLRDHUP", 0) if also_ended else 0
    look.register(_socket(transport).fileno(), ended)
    return any(events & (select.POLLERR | ended) for _, events in look.poll(0))
