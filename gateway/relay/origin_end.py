"""The origin's end of a tunnel: it asks for an upgrade, hears the answer, and then is an end like the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from gateway.relay.trouble import Trouble
from gateway.relay.tunnel import USUAL, End, Times
from gateway.relay.upgrade import UpgradeReader

Dial = Callable[[Callable[[], "OriginEnd"]], Awaitable["OriginEnd | Trouble"]]


class OriginEnd(End):
    """The connection to an origin. Until `settle` its bytes are an answer; `heard` is called for each piece of news."""

    __slots__ = ("heard", "reader")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, protocol: bytes, heard: Callable[[], None], times: Times = USUAL
    ) -> None:
        super().__init__(loop, times)
        self.reader: UpgradeReader | None = UpgradeReader(protocol)
        self.heard = heard

    def settle(self) -> None:
        """The upgrade was accepted and its head was passed on: from now on bytes are bytes."""
        self.reader = None
        self.heard = _nothing

    def data_received(self, data: bytes) -> None:
        """A part of the answer, or bytes for the other end."""
        if self.reader is None:
            super().data_received(data)
            return
        self.heard_at = self._loop.time()
        undecided = not self.reader.decided
        self.reader.feed(data)
        if undecided and self.reader.decided:
            self.pause()  # until whoever asked has looked at it
        self.heard()

    def eof_received(self) -> bool:
        """The origin says its last."""
        if self.reader is None:
            return super().eof_received()
        self.eof = True
        self.reader.eof()
        self.heard()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self.reader is None:
            super().connection_lost(exc)
            return
        self.gone = True
        answer = self.reader.answer
        if exc is None:
            self.reader.eof()
        elif answer is not None and not answer.complete:
            answer.trouble = answer.trouble or Trouble.RESET
        if not self.reader.decided:
            self.reader.trouble = Trouble.RESET
        self.heard()
        if self.other is not None and self.other.gone:
            self.other.over()
            self.over()


async def open_upgrade(
    dial: Dial, request: bytes, *, protocol: bytes, timeout_s: float, times: Times = USUAL
) -> OriginEnd | Trouble:
    """Ask an origin for an upgrade on a connection of its own, and wait for the head of its answer.

    The end that is returned is paused: join it and resume it, or read the plain answer from its reader.
    """
    loop = asyncio.get_running_loop()
    news = asyncio.Event()
    origin = await dial(lambda: OriginEnd(loop, protocol, news.set, times))
    if isinstance(origin, Trouble):
        return origin
    reader = cast(UpgradeReader, origin.reader)
    try:
        origin.take(request)  # it may be gone already
        async with asyncio.timeout(timeout_s):
            while not reader.decided:
                news.clear()
                await news.wait()
    except BaseException as stopped:
        origin.transport.abort()
        if isinstance(stopped, TimeoutError):
            return Trouble.TIMEOUT
        raise
    if reader.trouble is not None:
        origin.transport.abort()
        return reader.trouble
    return origin


def _nothing() -> None:
    pass
