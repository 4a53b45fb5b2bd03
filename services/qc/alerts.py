"""The alert that a HOLD or FAIL raises: put down with the decision, sent to the webhook once that is committed."""

from __future__ import annotations

import asyncio
import urllib.request
from typing import Final

from services.kit import json
from services.kit.outbox import Deliver, Letter, post
from services.kit.unit import WriteSession
from services.kit.wire import WireRow

TOPIC: Final = "qc.alert"
_TIMEOUT_S: Final = 5.0


async def raise_alert(session: WriteSession, decision: WireRow) -> None:
    """Put the alert about a decision down."""
    told = {name: decision[name] for name in ("id", "lot_id", "decision", "notes", "decided_at")}
    await post(session, TOPIC, told)


def to_webhook(url: str) -> Deliver:
    """Deliver alerts to this URL as JSON; the letter's number lets the receiver drop one that comes twice."""

    def send(letter: Letter) -> None:
        request = urllib.request.Request(  # noqa: S310 - the settings have checked the scheme
            url,
            json.dumps({"alert": letter.payload}),
            {"content-type": "application/json", "idempotency-key": f"{TOPIC}-{letter.id}"},
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - as above
            answer.read(1)

    async def deliver(letter: Letter) -> None:
        await asyncio.to_thread(send, letter)

    return deliver
