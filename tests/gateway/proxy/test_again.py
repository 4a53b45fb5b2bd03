"""A request whose fields are those of the one before on its connection means what it would mean on a new one."""

import asyncio
import re

import pytest

from gateway.proxy.doorkeeper import DoorLimits
from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from tests.gateway.proxy.harness import OK, Received, always, gateway, route, until, upstream

FIELDS = b"Host: shop.test\r\nAccept: */*\r\nX-Request-Id: one\r\n\r\n"
PLAIN = b"GET /api/plain HTTP/1.1\r\n"
LINES = [
    b"GET /api/other?a=1&b=/%2f HTTP/1.1\r\n",
    b"HEAD /api/items/7 HTTP/1.1\r\n",
    b"DELETE /api/items/7 HTTP/1.1\r\n",
    b"OPTIONS * HTTP/1.1\r\n",
    b"POST /api/items HTTP/1.1\r\n",
    b"PATCH /api/items HTTP/1.1\r\n",
    b"GET //evil.test/ HTTP/1.1\r\n",
    b"GET /a/../b/./c/%2e%2e HTTP/1.1\r\n",
    b"GET /a#b HTTP/1.1\r\n",
    b"GET /a?b#c HTTP/1.1\r\n",
    b'GET /"<>\\^`{|} HTTP/1.1\r\n',
    b"GET /a b HTTP/1.1\r\n",
    b"GET  /a HTTP/1.1\r\n",
    b"GET /a\tb HTTP/1.1\r\n",
    b"GET /\x80\xff HTTP/1.1\r\n",
    b"GET /a HTTP/1.1 \r\n",
    b"GET /a HTTP/1.0\r\n",
    b"GET /a HTTP/1.1\n",
    b"GET /a HTTP/1.1\r\nX-More: 1\r\n",
    b"GET /a HTTP/1.1\r\nHost: other.test\r\n",
    b"GET /a HTTP/1.1\r\nContent-Length: 5\r\n",
    b"GET /a HTTP/1.1\r\nConnection: close\r\n",
    b"\r\nGET /a HTTP/1.1\r\n",
    b"GET http://shop.test/a HTTP/1.1\r\n",
    b"GET http://other.test/a HTTP/1.1\r\n",
    b"CONNECT shop.test:80 HTTP/1.1\r\n",
    b"get /a HTTP/1.1\r\n",
    b"GET a HTTP/1.1\r\n",
    b"GET  HTTP/1.1\r\n",
    b"GET /a HTTP/2.0\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n",
]


async def exchange(port: int, *requests: bytes) -> bytes:
    """The answer to the last of some requests on one connection, without what differs each time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for request in requests[:-1]:
            writer.write(request)
            await reader.readuntil(b"\r\n\r\nok")
        writer.write(requests[-1])
        try:
            async with asyncio.timeout(0.1):
                answer = await reader.read(65_536)
        except TimeoutError:
            answer = b"(nothing)"
        return re.sub(rb'(?i)(date|x-request-id): [^\r]*|"request_id": "[^"]*"', rb"\1", answer)
    finally:
        writer.close()


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.decode("latin-1")[:40])
async def test_the_second_of_two_is_read_like_a_first_one(line: bytes) -> None:
    """Whatever its line is: legacy receives the same, and the client is told the same."""

    def seen(received: list[Received]) -> list[tuple[bytes, list[tuple[bytes, bytes]]]]:
        return [(request.line, request.headers) for request in received]

    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        alone = await exchange(served.port, line + FIELDS)
        first = seen(legacy.received)
        legacy.received.clear()
        after = await exchange(served.port, PLAIN + FIELDS, PLAIN + FIELDS, line + FIELDS)
        assert after == alone
        assert seen(legacy.received)[2:] == first


async def test_a_longer_head_than_allowed_is_refused_also_when_its_fields_came_before() -> None:
    """The limits count the request line."""
    limits = DoorLimits(head_bytes=len(PLAIN + FIELDS) + 10)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, limits=limits) as served:
        answer = await exchange(served.port, PLAIN + FIELDS, b"GET /" + b"a" * 60 + b" HTTP/1.1\r\n" + FIELDS)
        assert b" 431 " in answer.partition(b"\r\n")[0]
        assert len(legacy.received) == 1


async def test_two_at_once_after_one_are_two() -> None:
    """A segment that ends with known fields may hold more than one request."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(PLAIN + FIELDS)
        await reader.readuntil(b"\r\n\r\nok")
        writer.write(PLAIN + FIELDS + b"GET /second HTTP/1.1\r\n" + FIELDS)
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\nok")
        writer.close()
        assert [request.target for request in legacy.received] == [b"/api/plain", b"/api/plain", b"/second"]


async def test_a_body_that_looks_like_a_known_request_is_a_body() -> None:
    """What a request is made of depends on where it stands."""
    known = b"GET /api/hidden HTTP/1.1\r\n" + FIELDS
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for _ in range(2):
            writer.write(PLAIN + FIELDS)
            await reader.readuntil(b"\r\n\r\nok")
        writer.write(b"POST /api/items HTTP/1.1\r\nHost: shop.test\r\nContent-Length: %d\r\n\r\n" % len(known))
        await asyncio.sleep(0.05)
        writer.write(known)
        await reader.readuntil(b"\r\n\r\nok")
        writer.close()
        assert [request.target for request in legacy.received] == [b"/api/plain", b"/api/plain", b"/api/items"]
        assert legacy.received[-1].body == known


async def test_a_request_that_comes_back_is_cut_however_often_it_does() -> None:
    """The fields that say so are refused the third time as the first."""
    looped = PLAIN + b"Host: shop.test\r\nVia: 1.1 strangler-test\r\nX-Request-Id: one\r\n\r\n"
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        for _ in range(4):
            writer.write(looped)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 508 ")
            await reader.readuntil(b"}")
        writer.close()
        assert legacy.received == []


async def test_what_is_sent_beside_a_request_whose_fields_came_before_is_its_own() -> None:
    """Its copy is marked, as the first one's is; its own id goes to legacy and to the new side."""
    read = route("plain.get", "GET /api/plain")
    shadowed = Flag("plain.get", stage=Stage.SHADOW, sample=10_000)
    fields = b"Host: shop.test\r\nAccept: */*\r\n\r\n"
    async with (
        upstream(always(OK)) as legacy,
        upstream(always(OK)) as new,
        gateway(legacy.url, new=new.url, routes=[read], flags=[shadowed]) as served,
    ):
        await exchange(served.port, PLAIN + fields, PLAIN + fields, PLAIN + fields)
        await until(lambda: len(new.received) == 3)
        assert [copy.values(b"x-strangler-shadow") for copy in new.received] == [[b"1"]] * 3
        assert [asked.values(b"x-strangler-shadow") for asked in legacy.received] == [[]] * 3
        asked, copied = (sorted(one.values(b"x-request-id") for one in side.received) for side in (legacy, new))
        assert asked == copied
        assert len({name for (name,) in asked}) == 3
