"""A connection is made to whichever address gives one, within the time there is."""

import asyncio
import os
from pathlib import Path

import pytest

from gateway.relay.address import Origin
from gateway.relay.addresses import Addresses
from gateway.relay.breaker import Rules, State
from gateway.relay.dial import Reached, dial
from gateway.relay.trouble import Trouble
from tests.gateway.proxy.harness import OK, always, until
from tests.gateway.relay.places import HOSTS, Names, black_hole, places

ON_BOTH_LOOPS = True
NEVER = Rules(misses=0)


async def dialled(addresses: Addresses, within_s: float = 10.0) -> Reached[asyncio.Protocol] | Trouble:
    """One connection."""
    return await dial(addresses, asyncio.Protocol, deadline=asyncio.get_running_loop().time() + within_s)


async def host_reached(addresses: Addresses, within_s: float = 10.0) -> str:
    """Where a connection leads to; it is closed again."""
    reached = await dialled(addresses, within_s)
    assert isinstance(reached, Reached), reached
    reached.transport.abort()
    return reached.address.host


def descriptors() -> int:
    """Files and sockets this process has open."""
    return len(os.listdir("/proc/self/fd"))


async def test_an_address_that_refuses_is_passed_over() -> None:
    """Whoever connects does not notice, and the refusal is counted."""
    async with places(always(OK), always(OK)) as (down, up):
        down.stop()
        addresses = Addresses(down.origin, up.origin, rules=NEVER)
        assert [await host_reached(addresses) for _ in range(4)] == [up.host] * 4
        assert 1 <= addresses.misses["refused"] <= 4


async def test_an_address_that_says_nothing_is_passed_over_within_the_time() -> None:
    """The next is tried beside it after a moment; what was tried in vain leaves no socket behind."""
    async with places(always(OK)) as (up,):
        with black_hole(HOSTS[1]) as port:
            before = descriptors()
            addresses = Addresses(Origin(HOSTS[1], port), up.origin, rules=Rules(misses=2))
            async with asyncio.timeout(30):
                assert [await host_reached(addresses) for _ in range(6)] == [up.host] * 6
            assert addresses.misses["connect_timeout"] == 2
            assert [address.breaker.state for address in addresses.current] == [State.OPEN, State.CLOSED]
            assert [address.connections for address in addresses.current] == [0, 0]
            up.cut()
            await until(lambda: descriptors() <= before)


async def test_a_name_with_several_addresses_is_as_good_as_any_of_them() -> None:
    """One that refuses and one that says nothing leave a third."""
    async with places(always(OK)) as (up,):
        with black_hole(HOSTS[1], up.port):
            names = Names(HOSTS[2], HOSTS[1], up.host)
            addresses = Addresses(Origin("legacy.test", up.port), rules=NEVER, resolve=names)
            async with asyncio.timeout(30):
                assert [await host_reached(addresses) for _ in range(3)] == [up.host] * 3


async def test_when_all_refuse_the_origin_is_unreachable(free_port: int) -> None:
    """Every address has been tried, once."""
    addresses = Addresses(*(Origin(host, free_port) for host in HOSTS), rules=NEVER)
    assert await dialled(addresses) is Trouble.UNREACHABLE
    assert addresses.misses["refused"] == len(HOSTS)


async def test_when_none_says_anything_the_time_is_kept() -> None:
    """It is the caller's time, whatever the number of addresses."""
    with black_hole() as port:
        addresses = Addresses(Origin(HOSTS[0], port), rules=NEVER)
        async with asyncio.timeout(30):
            assert await dialled(addresses, within_s=0.4) is Trouble.CONNECT_TIMEOUT
        assert addresses.misses["connect_timeout"] == 1


async def test_an_open_breaker_is_not_asked(free_port: int) -> None:
    """Nothing is tried and nothing is waited for, until one is let through."""
    addresses = Addresses(Origin(HOSTS[0], free_port), rules=Rules(misses=2, open_s=0.3))
    assert [await dialled(addresses) for _ in range(4)] == [Trouble.UNREACHABLE] * 2 + [Trouble.UNAVAILABLE] * 2
    assert addresses.misses["refused"] == 2
    await until(lambda: not addresses.all_open(asyncio.get_running_loop().time()))
    assert [await dialled(addresses) for _ in range(2)] == [Trouble.UNREACHABLE, Trouble.UNAVAILABLE]
    assert addresses.misses["refused"] == 3


async def test_a_caller_who_leaves_is_no_miss_and_leaves_nothing_behind() -> None:
    """Impatience of a client says nothing about the origin."""
    with black_hole() as port:
        addresses = Addresses(Origin(HOSTS[0], port), rules=Rules(misses=1))
        before = 0
        for _ in range(4):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.4):
                    await dialled(addresses)
            before = before or descriptors()  # a loop opens some of its own when it first connects
        assert not addresses.misses
        assert addresses.current[0].breaker.state is State.CLOSED
        await until(lambda: descriptors() <= before)


async def test_a_sockets_file_is_an_address(tmp_path: Path) -> None:
    """Gone, it is unreachable; back, it is reached."""
    path = tmp_path / "legacy.sock"
    addresses = Addresses(Origin("localhost", 0, socket=str(path)), rules=NEVER)
    assert await dialled(addresses) is Trouble.UNREACHABLE
    assert addresses.misses["no_socket_file"] == 1
    server = await asyncio.start_unix_server(lambda _, writer: writer.close(), path)
    reached = await dialled(addresses)
    assert isinstance(reached, Reached)
    assert str(reached.address) == f"unix:{path}"
    server.close()
