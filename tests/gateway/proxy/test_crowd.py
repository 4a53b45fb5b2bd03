"""Many who call at once."""

import asyncio
import socket
from contextlib import ExitStack

from tests.gateway.proxy.harness import always, gateway, upstream

ON_BOTH_LOOPS = True
CALLERS = 64
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_callers_who_wait_are_accepted_several_at_a_turn() -> None:
    """In a crowd a turn of the loop takes long: a new caller must not wait one for each who called before."""
    async with upstream(always(OK)) as side, gateway(side.url) as served:
        with ExitStack() as callers:
            for _ in range(CALLERS):  # nobody is accepted meanwhile: the loop stands still
                callers.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            turns = 0
            while served.connected() < CALLERS and turns < CALLERS:
                await asyncio.sleep(0)
                turns += 1
        assert turns < CALLERS / 2
