"""A socket of the new side's own is taken down like one that is passed on: by its handshake, and as open."""

from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from gateway.metrics.catalogue import REQUESTS, SECONDS
from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from tests.gateway.proxy.harness import OK, always, gateway, route, until, upstream

FEED, ON_NEW = route("feed", "GET /feed"), Flag("feed", stage=Stage.NEW)


async def test_how_long_it_is_open_is_no_answers_time() -> None:
    """It is counted as open, and as a request that was answered when it was accepted: else an hour would look slow."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[FEED], flags=[ON_NEW], new=app) as served:
        ledger = served.gateway.ledger
        async with connect(f"ws://127.0.0.1:{served.port}/feed", proxy=None):
            assert ledger.websockets == 1
            assert ledger.rows()[REQUESTS.name] == [(["feed", "new", "new", "1xx"], [1])]
            taken = ledger.rows()[SECONDS.name]
        await until(lambda: ledger.websockets == 0)
        assert ledger.rows()[SECONDS.name] == taken


@pytest.mark.parametrize("status", [403, 429])
async def test_a_refusal_is_counted_as_what_the_client_was_told(status: int) -> None:
    """A close before the socket is open is a 403; a plain answer is what it says."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if status == 403:
            await send({"type": "websocket.close"})
        else:
            await send({"type": "websocket.http.response.start", "status": status, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})

    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=[FEED], flags=[ON_NEW], new=app) as served:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://127.0.0.1:{served.port}/feed", proxy=None)
        ledger = served.gateway.ledger
        assert refused.value.response.status_code == status
        assert ledger.rows()[REQUESTS.name] == [(["feed", "new", "new", "4xx"], [1])]
        assert ledger.websockets == 0
