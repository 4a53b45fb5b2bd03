"""Side effects leave through the outbox: after the commit, at least once, and never from a rehearsal."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from services.app import build

from .asgi import running
from .rehearsals import prepared, rehearse

HOLD = {"decision": "HOLD", "notes": "the core is too warm"}


class Receiver(http.server.BaseHTTPRequestHandler):
    """A webhook that keeps what it is sent, and fails as often as it is told to."""

    taken: list[tuple[str | None, Any]]
    fail: int

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        kind = type(self)
        kind.taken.append((self.headers["idempotency-key"], body))
        kind.fail -= 1
        self.send_response(500 if kind.fail >= 0 else 204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def webhook(
    environment: pytest.MonkeyPatch, database_url: str, database: psycopg.Connection
) -> Iterator[type[Receiver]]:
    prepared(database_url)
    database.execute("DELETE FROM strangler.outbox")
    kind = type("Told", (Receiver,), {"taken": [], "fail": 0})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment.setenv("SERVICES_ALERT_URL", f"http://127.0.0.1:{server.server_port}/alerts")
        yield kind
        server.shutdown()


async def until_delivered(webhook: type[Receiver], many: int, database: psycopg.Connection) -> None:
    async with asyncio.timeout(20):
        while len(webhook.taken) < many or waiting(database):  # noqa: ASYNC110 - the webhook is in another thread
            await asyncio.sleep(0.05)


def waiting(database: psycopg.Connection) -> int:
    row = database.execute("SELECT count(*) FROM strangler.outbox").fetchone()
    assert row is not None
    return int(row[0])


async def test_a_decision_that_is_no_pass_raises_an_alert(
    webhook: type[Receiver], database: psycopg.Connection
) -> None:
    """The webhook hears of it once the decision is committed; a PASS raises none."""
    async with running(build()) as side:
        assert (await side.send("POST", "/api/qc-decisions", body={"decision": "PASS"}, commit=True)).status == 201
        kept = await side.send("POST", "/api/qc-decisions", body=HOLD, commit=True)
        await until_delivered(webhook, 1, database)
    ((_, body),) = webhook.taken
    assert (body["alert"]["id"], body["alert"]["notes"]) == (kept.json()["id"], HOLD["notes"])


async def test_a_rehearsed_decision_raises_no_alert(webhook: type[Receiver], database: psycopg.Connection) -> None:
    """The letter is rolled back with the decision, and is no row that legacy would lack."""
    async with running(build()) as side:
        rehearsed = await rehearse(side, "/api/qc-decisions", HOLD)
        assert rehearsed.answer.status == 201
        assert [row["table"] for row in rehearsed.of("rehearsed")["rows"]] == ["public.qc_decisions"]
        assert rehearsed.of("rehearsed")["unseen"] == []
        await rehearsed.of("rehearsed")["release"]()
        assert waiting(database) == 0
    assert webhook.taken == []


async def test_a_letter_that_was_not_taken_is_brought_again(
    webhook: type[Receiver], database: psycopg.Connection
) -> None:
    """The receiver fails once; it gets the same letter under the same key."""
    webhook.fail = 1
    async with running(build()) as side:
        await side.send("POST", "/api/qc-decisions", body=HOLD, commit=True)
        await until_delivered(webhook, 2, database)
    first, second = webhook.taken
    assert first == second
