"""Which addresses an upstream has, and how connections are spread over them."""

import asyncio
from collections import Counter

import pytest

from gateway.relay import addresses as addresses_module
from gateway.relay import lookup as lookup_module
from gateway.relay.address import Origin
from gateway.relay.addresses import Addresses
from gateway.relay.breaker import Rules
from gateway.relay.cause import Cause
from gateway.relay.connection import Connection
from gateway.relay.exchange import exchange
from gateway.relay.pool import Bounds, Pool
from gateway.relay.trouble import Trouble
from tests.gateway.proxy.harness import OK, Answer, Received, always, until
from tests.gateway.relay.places import HOSTS, Names, Place, places, pool_of
from tests.gateway.relay.test_pool import GET, ask

ON_BOTH_LOOPS = True


def held(gate: asyncio.Event) -> Answer:
    """An origin that answers when the gate opens."""

    async def answer(request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(OK)

    return answer


def named(place: Place) -> Origin:
    """A name for the port of a place."""
    return Origin("legacy.test", place.port)


async def reached_at_last(pool: Pool) -> None:
    """Ask until a connection can be made."""
    async with asyncio.timeout(10):
        while isinstance(taken := await pool.take(), Trouble):  # noqa: ASYNC110 - asked, not only waited for
            await asyncio.sleep(0.05)
    pool.give_back(taken)


async def test_a_name_that_moves_takes_its_connections_along() -> None:
    """Idle connections to the old address are closed, one under way ends its exchange first, new ones go to the new."""
    gate = asyncio.Event()
    async with places(held(gate), always(OK)) as (old, new):
        names = Names(old.host)
        pool = pool_of(named(old), names=names, ttl_s=0.2)
        gate.set()
        await asyncio.gather(ask(pool), ask(pool))
        gate.clear()
        under_way = asyncio.create_task(ask(pool))
        await until(lambda: len(old.received) == 3)
        names.hosts = (new.host,)
        await until(lambda: [one.name for one in pool.figures().addresses] == [f"{new.host}:{new.port}"])
        await until(old.lost.is_set)
        assert await ask(pool) == b"ok"
        assert (len(old.received), len(new.received)) == (3, 1)
        gate.set()
        assert await under_way == b"ok"
        assert [await ask(pool) for _ in range(3)] == [b"ok"] * 3
        assert (len(old.received), len(new.received)) == (3, 4)
        await pool.aclose()


async def test_who_comes_as_a_name_is_found_has_its_address() -> None:
    """A caller in the very moment of the first answer is not told that there is no address."""

    async def come(turns: int) -> int:
        for _ in range(turns):
            await asyncio.sleep(0)
        await addresses.known(asyncio.get_running_loop().time() + 10)
        return len(addresses.current)

    async def resolve(host: str, port: int) -> list[str]:
        coming.extend(asyncio.create_task(come(turns)) for turns in range(4))
        return ["127.0.0.1"]

    coming: list[asyncio.Task[int]] = []
    addresses = Addresses(Origin("legacy.test", 80), resolve=resolve)
    assert await come(0) == 1
    assert list(await asyncio.gather(*coming)) == [1] * 4
    await addresses.aclose()


async def test_a_resolver_that_fails_changes_nothing() -> None:
    """The last good addresses are kept, however often nobody knows the name."""
    async with places(always(OK)) as (place,):
        names = Names(place.host)
        pool = pool_of(named(place), names=names, ttl_s=0.05)
        assert await ask(pool) == b"ok"
        names.hosts = None
        asked = names.asked
        await until(lambda: names.asked > asked + 1)
        place.cut()
        await until(lambda: pool.figures().idle == 0)
        assert await ask(pool) == b"ok"
        await pool.aclose()


async def test_a_resolver_that_hangs_holds_up_nobody_who_can_do_without() -> None:
    """Known addresses are used while their name is asked for again."""
    async with places(always(OK)) as (place,):
        names = Names(place.host)
        pool = pool_of(named(place), names=names, ttl_s=0.05)
        assert await ask(pool) == b"ok"
        names.hanging = True
        asked = names.asked
        await until(lambda: names.asked > asked)
        place.cut()
        await until(lambda: pool.figures().idle == 0)
        async with asyncio.timeout(30):
            assert list(await asyncio.gather(ask(pool), ask(pool))) == [b"ok"] * 2
        await pool.aclose()


async def test_who_finds_an_old_lookup_and_a_hanging_resolver_does_not_wait_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a quiet time the first caller would like to know, and goes on without."""
    monkeypatch.setattr(lookup_module, "PATIENCE_S", 0.1)
    async with places(always(OK)) as (place,):
        names = Names(place.host)
        addresses = Addresses(named(place), ttl_s=0.05, resolve=names)
        loop = asyncio.get_running_loop()
        await addresses.known(loop.time() + 60)
        names.hanging = True
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await addresses.known(loop.time() + 60)
        assert names.asked == 2
        assert len(addresses.current) == 1
        await addresses.aclose()


async def test_a_name_is_not_looked_up_for_each_connection() -> None:
    """What is known is good for its time."""
    async with places(always(OK)) as (place,):
        names = Names(place.host)
        pool = pool_of(named(place), names=names, ttl_s=3_600)
        for _ in range(5):
            await taken(pool, 5)
        assert names.asked == 1
        await pool.aclose()


@pytest.mark.parametrize("hanging", [True, False])
async def test_a_name_nobody_knows_is_unreachable_until_somebody_does(
    monkeypatch: pytest.MonkeyPatch, hanging: bool
) -> None:
    """Callers are told within their time, the resolver is not flooded, and its recovery is noticed."""
    monkeypatch.setattr(lookup_module, "AGAIN_S", 0.2)
    monkeypatch.setattr(lookup_module, "LOOKUP_S", 0.3)
    async with places(always(OK)) as (place,):
        names = Names()
        names.hosts, names.hanging = None, hanging
        pool = pool_of(named(place), names=names, bounds=Bounds(connect_s=0.4))
        async with asyncio.timeout(30):
            got = await asyncio.gather(*(exchange(pool, GET, timeout_s=2, idle_s=2) for _ in range(50)))
        assert set(got) == {Trouble.UNREACHABLE}
        assert names.asked == 1
        names.hosts, names.hanging = (place.host,), False
        await reached_at_last(pool)
        await pool.aclose()


async def test_an_origin_that_cannot_be_connected_to_is_looked_up_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that came back elsewhere is found before the time of its old address is over."""
    monkeypatch.setattr(lookup_module, "AGAIN_S", 0.1)
    async with places(always(OK), always(OK)) as (old, new):
        names = Names(old.host)
        pool = pool_of(named(old), names=names, ttl_s=3_600)
        assert await ask(pool) == b"ok"
        names.hosts = (new.host,)
        old.stop()
        await until(lambda: pool.figures().idle == 0)
        await reached_at_last(pool)
        assert [one.name for one in pool.figures().addresses] == [f"{new.host}:{new.port}"]
        await pool.aclose()


async def taken(pool: Pool, count: int) -> list[Connection]:
    """So many connections at once."""
    made = await asyncio.gather(*(pool.take() for _ in range(count)))
    return [connection for connection in made if isinstance(connection, Connection)]


def spread(pool: Pool) -> list[int]:
    """How many connections each address has."""
    return [one.connections for one in pool.figures().addresses]


async def test_new_connections_are_spread() -> None:
    """Each address gets its share, also of those made at the same moment."""
    async with places(always(OK), always(OK), always(OK)) as three:
        pool = pool_of(*(place.origin for place in three))
        await taken(pool, 30)
        assert spread(pool) == [10, 10, 10]
        await pool.aclose()


def test_the_address_with_the_fewest_connections_is_tried_first() -> None:
    """Whoever's turn it is."""
    addresses = Addresses(*(Origin(host, 1) for host in HOSTS))
    for address, connections in zip(addresses.current, (3, 1, 2), strict=True):
        address.connections = connections
    for _ in range(5):
        assert [address.connections for address in addresses.admitted(0.0)] == [1, 2, 3]


async def test_equal_addresses_take_turns() -> None:
    """The first of a list is not asked first each time."""
    origins = [Origin(host, 1) for host in HOSTS]
    addresses = Addresses(*origins)
    first = Counter(str(addresses.admitted(0.0)[0]) for _ in range(30))
    assert list(first.values()) == [10, 10, 10]


def test_an_origin_that_is_named_twice_is_one() -> None:
    """Twice in the list gives it no second share."""
    assert len(Addresses(Origin(HOSTS[0], 1), Origin(HOSTS[0], 1), Origin(HOSTS[0], 2)).current) == 2


async def test_an_address_that_was_left_alone_is_tried_as_often_as_its_breaker_allows() -> None:
    """The breaker says when: as soon as it admits, a connection to the others is given up to find out, and again."""
    addresses = Addresses(Origin(HOSTS[0], 1), Origin(HOSTS[0], 2), rules=Rules(misses=1, open_s=1.0))
    away, here = addresses.current
    here.connections, now = 8, 100.0
    for _ in range(3):
        away.breaker.admit(now)
        addresses.missed(away, Cause.REFUSED, now)
        addresses.tick(now)
        assert here.surplus == 0
        now += 1.1
        addresses.tick(now)
        assert here.surplus == 1
        here.surplus = 0  # it was given up


async def test_an_address_that_comes_back_gets_its_share_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept connections would stay where they are; they are moved a few at a time."""
    monkeypatch.setattr(addresses_module, "BALANCE_S", 0.05)
    async with places(always(OK), always(OK)) as (away, here):
        away.stop()
        pool = pool_of(away.origin, here.origin, rules=Rules(open_s=0.05))

        async def all_at_once() -> None:
            assert await asyncio.gather(*(ask(pool) for _ in range(16))) == [b"ok"] * 16

        await all_at_once()
        assert spread(pool) == [0, 16]
        await away.start()
        async with asyncio.timeout(10):
            while spread(pool) != [8, 8]:
                await all_at_once()
                await asyncio.sleep(0.01)
        await pool.aclose()
