"""The new side of the soak, in the gateway's process: the answers of the same plans from a plain ASGI app.

What it has seen it writes, a line for each, into the file that SOAK_NOTES names.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tests.soak.plan import EXCUSING, NAME, UNSAFE, Fate, Framing, Plan, answer_body, plan_of, upload_body

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Note = Callable[[str, str], None]


class PlannedError(Exception):
    """The plan wants the new side to fail."""


def build() -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """The app; each process that loads it appends to the notes."""
    file = os.open(os.environ["SOAK_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(what: str, name: str) -> None:
        os.write(file, f"{what} {name}\n".encode())

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("there is nothing to start")
        await _exchange(scope, receive, send, note)

    return app


async def _exchange(scope: Message, receive: Receive, send: Send, note: Note) -> None:
    fields = dict(scope["headers"])
    plan = plan_of(fields[NAME].decode())
    if (scope["method"], scope["path"]) != (plan.method, plan.path):
        note("crossed", plan.name)
    if plan.method in UNSAFE:
        note("copied" if b"x-strangler-shadow" in fields else "seen", plan.name)
    if plan.fate is Fate.EARLY:
        await _answer(plan, send)
        return
    body = await _body(receive)
    if body is None:
        return
    if body != upload_body(plan):
        note("crossed", plan.name)
    if plan.fate in EXCUSING and plan.fate is not Fate.RESET_WITHIN:
        raise PlannedError
    await _answer(plan, send)


async def _body(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def _answer(plan: Plan, send: Send) -> None:
    body = answer_body(plan)
    headers = [(NAME, plan.name.encode())]
    if plan.framing is Framing.SIZED:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": plan.status, "headers": headers})
    half = len(body) // 2
    await send({"type": "http.response.body", "body": body[:half], "more_body": True})
    if plan.fate is Fate.RESET_WITHIN:
        raise PlannedError
    await send({"type": "http.response.body", "body": body[half:]})
