"""The origin's end of a tunnel: it asks for an upgrade, hears the answer, and then is an end like the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from gateway.relay.stake import Stake, Staked, tell
from gateway.relay.trouble import Trouble
from gateway.relay.tunnel import USUAL, End, Times
from gateway.relay.upgrade import UpgradeReader

Dial = Callable[[Callable[[], "OriginEnd"]], Awaitable["OriginEnd | Trouble"]]


class OriginEnd(End, Staked):
    """The connection to an origin. Until `settle` its bytes are an answer; `heard` is called for each piece of news."""

    __slots__ = ("heard", "reader", "stake")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, protocol: bytes, heard: Callable[[], None], times: Times = USUAL
    ) -> None:
        super().__init__(loop, times)
        self.reader: UpgradeReader | None = UpgradeReader(protocol)
        self.heard = heard
        self.stake: Stake | None = None

    def hold(self, stake: Stake) -> None:
        """It leads to an address, which hears what becomes of it."""
        self.stake = stake
        if self.gone:
            stake.over()

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
        if self.stake is not None:
            self.stake.over()
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

    An address that hangs up without a word is passed over where there is another: nothing was begun (RFC 9110 section
    9.2.2). The end that is returned is paused: join it and resume it, or read the plain answer from its reader.
    """
    loop = asyncio.get_running_loop()
    tries, deadline = 0, loop.time() + timeout_s
    while True:
        news = asyncio.Event()
        origin = await dial(lambda heard=news.set: OriginEnd(loop, protocol, heard, times))  # type: ignore[misc]  # the default binds it now
        if isinstance(origin, Trouble):
            return origin
        tries += 1
        trouble = await _asked(origin, request, news, deadline)
        if trouble is None:
            return origin
        untouched = trouble is Trouble.RESET and cast(UpgradeReader, origin.reader).untouched
        if not (untouched and origin.stake is not None and tries < origin.stake.choices):
            return trouble


async def _asked(origin: OriginEnd, request: bytes, news: asyncio.Event, deadline: float) -> Trouble | None:
    """Send the request and wait for the origin's decision; the address is told whether one came."""
    reader, trouble = cast(UpgradeReader, origin.reader), None
    try:
        origin.take(request)  # it may be gone already
        async with asyncio.timeout_at(deadline):
            while not reader.decided:
                news.clear()
                await news.wait()
        trouble = reader.trouble
    except TimeoutError:
        trouble = Trouble.TIMEOUT
    except BaseException:
        origin.transport.abort()
        if origin.stake is not None:
            origin.stake.left()
        raise
    if trouble is not None:
        origin.transport.abort()
    if origin.stake is not None:
        tell(origin.stake, trouble)
    return trouble


def _nothing() -> None:
    pass
