"""How many may come, how much they may say at once, and what they hear when it is too much."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest

from gateway.failure import Failure
from gateway.proxy.door import Door
from gateway.proxy.doorkeeper import DoorLimits
from gateway.proxy.self_check import fault_of
from tests.gateway.proxy.harness import OK, Reply, always, ask, gateway, get, until, upstream

HELLO = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def hear(port: int, said: bytes) -> Reply:
    """Say something and read until the other end closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    async with asyncio.timeout(10):
        answer = Reply(await reader.read())
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("limits", "failure"),
    [
        (DoorLimits(guests=2), Failure.TOO_MANY_CLIENTS),
        (DoorLimits(guests_of_one=2), Failure.TOO_MANY_FROM_CLIENT),
    ],
)
async def test_one_connection_too_many_is_told_so(limits: DoorLimits, failure: Failure) -> None:
    """The third of two is refused with a code and Retry-After; when one has left, the next is welcome."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url, limits=limits) as served:
        kept = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]
        for reader, writer in kept:
            writer.write(HELLO)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        refused = await hear(served.port, HELLO)
        assert (refused.status, json.loads(refused.body)["code"]) == (failure.status, failure.code)
        assert refused.values(b"retry-after") == [b"1"]
        for _, writer in kept:
            writer.close()
            await writer.wait_closed()
        async with asyncio.timeout(10):
            while (await ask(served.port, get("/"))).status != 200:  # noqa: ASYNC110 - it asks anew each time
                await asyncio.sleep(0.02)
    assert all(request.target == b"/" for request in legacy.received)


@pytest.mark.parametrize(
    ("limits", "said", "code"),
    [
        (DoorLimits(head_fields=10), "".join(f"X-{number}: 1\r\n" for number in range(10)), "head_too_large"),
        (DoorLimits(head_bytes=2_000), f"X: {'a' * 2_000}\r\n", "head_too_large"),
        (DoorLimits(target_bytes=300), "", "target_too_long"),
    ],
)
async def test_a_limit_is_what_it_is_set_to(limits: DoorLimits, said: str, code: str) -> None:
    """Heads and targets are held to the limits of the settings, not to the defaults."""
    head = f"GET /{'a' * 350} HTTP/1.1\r\nHost: a\r\n{said}\r\n".encode()
    async with upstream(always(OK)) as legacy, gateway(legacy.url, limits=limits) as served:
        assert json.loads((await hear(served.port, head)).body)["code"] == code
        assert (await ask(served.port, get("/"))).status == 200
    assert len(legacy.received) == 1


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    """Who says nothing for `keep_alive_s` is let go, before the first request and after it."""
    limits = DoorLimits(keep_alive_s=0.2)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, limits=limits) as served:
        assert (await hear(served.port, b"")).raw == b""
        assert (await hear(served.port, HELLO)).status == 200
        await until(lambda: len(legacy.received) == 1)


class Moved(Door):
    """A door over another uvicorn: something it leans on is not there any more."""

    def on_headers_complete(self) -> None:
        raise AttributeError("pipeline")


class Mute(Door):
    """A door that answers nobody."""

    def _start(self, exchange: Any) -> None:
        pass


def test_a_front_that_does_not_work_is_found_out() -> None:
    """The self-check passes the door as it is, and names what is wrong with others."""
    assert fault_of(Door) is None
    assert fault_of(Moved) is not None
    assert fault_of(Mute) == "it answers otherwise"
