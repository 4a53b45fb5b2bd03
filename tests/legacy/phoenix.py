"""A client of the Phoenix channel protocol, in both forms supabase-js has spoken."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from .stack import Legacy, anon_key

TOPIC = "realtime:lots-feed"
LOTS = {"event": "INSERT", "schema": "public", "table": "lots"}


class Phoenix:
    """One socket; messages are (join_ref, ref, topic, event, payload) whatever the form on the wire."""

    def __init__(self, socket: ClientConnection, version: str) -> None:
        self.socket = socket
        self.version = version

    async def send(self, ref: str, topic: str, event: str, payload: dict[str, Any]) -> None:
        message: Any = ["1", ref, topic, event, payload]
        if self.version == "1.0.0":
            message = {"join_ref": "1", "ref": ref, "topic": topic, "event": event, "payload": payload}
        await self.socket.send(json.dumps(message))

    async def receive(self) -> tuple[Any, Any, str, str, Any]:
        message = json.loads(await asyncio.wait_for(self.socket.recv(), 5))
        if self.version == "1.0.0":
            return None, message["ref"], message["topic"], message["event"], message["payload"]
        join_ref, ref, topic, event, payload = message
        return join_ref, ref, topic, event, payload

    async def join(self, *wishes: dict[str, Any], **extra: Any) -> Any:
        """Joins TOPIC and returns the reply's payload."""
        await self.send("1", TOPIC, "phx_join", {"config": {"postgres_changes": list(wishes)}, **extra})
        _, ref, topic, event, payload = await self.receive()
        assert (ref, topic, event) == ("1", TOPIC, "phx_reply")
        return payload

    async def next_event(self, name: str) -> Any:
        """The payload of the next message of this name; others on the way are passed over."""
        while True:
            _, _, _, event, payload = await self.receive()
            if event == name:
                return payload

    async def is_silent(self) -> bool:
        """Nothing more comes: a heartbeat is answered before anything else."""
        await self.send("hb", "phoenix", "heartbeat", {})
        _, ref, _, _, _ = await self.receive()
        return bool(ref == "hb")


@asynccontextmanager
async def phoenix(legacy: Legacy, version: str = "2.0.0") -> AsyncIterator[Phoenix]:
    url = f"{legacy.base_url.replace('http', 'ws')}/realtime/v1/websocket?apikey={anon_key()}&vsn={version}"
    async with connect(url) as socket:
        yield Phoenix(socket, version)
