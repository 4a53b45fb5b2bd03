"""What an app is asked: its `receive`, from the request's body to the news that whoever asked has left."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any, Final

from gateway.message import OutboundRequest
from gateway.upstream.patience import Patience
from gateway.upstream.upload import Message, Upload


class _Turn:
    """What `asyncio.sleep(0)` is, without a coroutine of its own."""

    __slots__ = ()

    def __await__(self) -> Generator[None]:
        yield


A_TURN: Final = _Turn()


class Asked(Patience):
    """The request's half of a call."""

    __slots__ = ("_body", "_has_left", "_left", "_loop", "_told_of_none", "_upload")

    def __init__(self, request: OutboundRequest, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._loop = loop
        self._body = request.body
        self._upload: Upload | None = None  # made when the app asks for a body
        self._told_of_none = False  # it knows that there is none
        self._has_left = False
        self._left: asyncio.Future[None] | None = None  # done when whoever asked has left

    async def receive(self) -> Message:
        """Give the app the next part of the request, then the news that its caller has gone."""
        part = None
        if self._body is None:
            if not self._has_left and not self._told_of_none:
                await A_TURN  # starlette's is_disconnected() cancels at the first await, and drops the rest
                if not self._told_of_none:
                    self._told_of_none = True
                    return {"type": "http.request", "body": b"", "more_body": False}
        elif not self._has_left:
            if self._upload is None:
                self._upload = Upload(self._body, self)
            try:
                part = await self._upload.part()
            except Exception as error:  # noqa: BLE001 - the request's own stream: its trouble is told to who sent it
                self.break_off(error)
                return {"type": "http.disconnect"}
        if part is not None:
            return part
        if not self._has_left:
            if self._left is None:
                self._left = self._loop.create_future()
            await asyncio.shield(self._left)
        return {"type": "http.disconnect"}

    def leave(self) -> None:
        """Whoever asked has left."""
        self._has_left = True
        if self._left is not None:
            wake(self._left)
        if self._upload is not None:
            self._upload.close()

    def break_off(self, error: Exception) -> None:
        """The request's own body has failed, and with it the request."""
        raise NotImplementedError


def wake(waiter: asyncio.Future[Any] | None) -> None:
    """Let whoever waits go on, if anybody does."""
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
