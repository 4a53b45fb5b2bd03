"""A head that came a moment ago is not read again, whichever connection brings it; what was asked still is."""

import asyncio

from gateway.proxy.arrival import KINDS, Head
from gateway.proxy.heads import KnownHeads
from tests.gateway.proxy.harness import OK, always, gateway, upstream

BLOCK = b"\r\nHost: shop.test\r\nAuthorization: Bearer a.b.c\r\n\r\n"


def head(block: bytes = BLOCK) -> Head:
    """A head of these bytes."""
    made = Head([((b"host", b"shop.test"), KINDS[b"host"])])
    made.block = block
    return made


def test_a_head_is_known_to_the_address_it_came_from() -> None:
    """What is made of it names the peer."""
    heads, mine = KnownHeads(), head()
    heads.remember("203.0.113.9", mine)
    assert heads.of("203.0.113.9", BLOCK) is mine
    assert heads.of("203.0.113.10", BLOCK) is None
    assert heads.of("203.0.113.9", BLOCK[:-2]) is None


def test_what_nobody_sends_any_more_is_forgotten() -> None:
    """There are secrets in heads: only those that keep coming stay."""
    heads, seldom, often = KnownHeads(), head(b"seldom"), head(b"often")
    heads.remember("a", seldom)
    heads.remember("a", often)
    heads.age()
    assert heads.of("a", b"often") is often
    heads.age()
    assert heads.of("a", b"often") is often
    assert heads.of("a", b"seldom") is None
    heads.forget()
    assert heads.of("a", b"often") is None


def test_invented_and_long_heads_do_not_pile_up() -> None:
    """Whoever sends another one each time has the oldest forgotten; a long one is not kept at all."""
    heads = KnownHeads()
    for number in range(10_000):
        heads.remember("a", head(b"%d" % number))
    kept = sum(heads.of("a", b"%d" % number) is not None for number in range(10_000))
    assert 500 < kept <= 2_000
    heads.remember("a", head(b"x" * 10_000))
    assert heads.of("a", b"x" * 10_000) is None


async def test_the_same_head_on_other_connections_is_another_request() -> None:
    """Its line, its id and its answer are its own; the fields go to legacy as they came."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:

        async def ask(target: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(b"GET " + target + b" HTTP/1.1" + BLOCK)
            answer = await reader.readuntil(b"\r\n\r\nok")
            writer.close()
            return answer

        answers = [await ask(target) for target in (b"/a", b"/b?c=1", b"/%2fd")]
        raw = [one.head for one in legacy.received]
    lines = [one.split(b"\r\n") for one in raw]
    assert [line[0] for line in lines] == [b"GET /a HTTP/1.1", b"GET /b?c=1 HTTP/1.1", b"GET /%2fd HTTP/1.1"]
    ids = {next(line for line in one if line.startswith(b"x-request-id: ")) for one in lines}
    assert len(ids) == 3
    assert all(any(one in answer for answer in answers) for one in ids)
    fields = [[line for line in one[1:] if not line.startswith(b"x-request-id")] for one in lines]
    assert fields[0] == fields[1] == fields[2]
    assert b"authorization: Bearer a.b.c" in fields[0]
    assert b"x-forwarded-for: 127.0.0.1" in fields[0]


async def test_a_known_head_before_another_method_is_read_by_the_parser() -> None:
    """The line is judged each time, and so is what a bad line says."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:

        async def ask(line: bytes) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(line + BLOCK)
            status = await reader.readline()
            writer.close()
            return status.split()[1]

        asked = [
            b"GET /a HTTP/1.1",
            b"BREW /a HTTP/1.1",
            b"GET /a HTTP/1.0",
            b"GET /a\tb HTTP/1.1",
            b"GET /a#b HTTP/1.1",
        ]
        assert [await ask(line) for line in asked] == [b"200", b"400", b"200", b"400", b"400"]
