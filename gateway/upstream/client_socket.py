"""A client's WebSocket in the hands of an ASGI app in this process: what was said, and what is left to say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from gateway.upstream.upload import Message

INTERNAL: Final = 1011  # RFC 6455 section 7.4.1


class ClientSocket:
    """`receive` and `send` for the app; `lost` when the client has gone."""

    def __init__(self, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
        self._receive = receive
        self._send = send
        self._introduced = False
        self._said: set[str] = set()
        self.lost = False

    async def receive(self) -> Message:
        """The client's next message; its `websocket.connect` has been read by the gateway and is given again."""
        if not self._introduced:
            self._introduced = True
            return {"type": "websocket.connect"}
        message = await self._receive()
        self.lost = self.lost or message["type"] == "websocket.disconnect"
        return message

    async def send(self, message: Message) -> None:
        """Pass a message to the client."""
        self._said.add(message["type"])
        try:
            await self._send(message)
        except OSError:
            self.lost = True
            raise

    @property
    def answered(self) -> bool:
        """Whether the handshake has an answer."""
        return bool(self._said)

    async def break_off(self) -> None:
        """The app has failed: close what it left open."""
        if "websocket.accept" in self._said and "websocket.close" not in self._said:
            with suppress(OSError):  # the client has gone
                await self.send({"type": "websocket.close", "code": INTERNAL})
