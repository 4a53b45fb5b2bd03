"""The new side with a mistake in it, of one byte: run codes in small letters."""

from __future__ import annotations

from typing import Any

from services.app import build as build_right


def build() -> Any:
    """The new side as it is, but for the mistake."""
    right = build_right()

    async def wrong(scope: Any, receive: Any, send: Any) -> None:
        async def spoiled(message: Any) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": message["body"].replace(b'"PRD-', b'"prd-')}
            await send(message)

        await right(scope, receive, spoiled)

    return wrong
