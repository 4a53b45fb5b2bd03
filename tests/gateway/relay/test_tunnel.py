"""Two connections joined end to end behave as one: bytes, ends, resets and the pace of the slower."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway.relay.origin_end import OriginEnd, open_upgrade
from gateway.relay.trouble import Trouble
from gateway.relay.tunnel import End, Times
from tests.gateway.proxy.harness import until

ON_BOTH_LOOPS = True

ASK = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: test\r\nConnection: upgrade\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: test\r\nConnection: upgrade\r\n\r\n"
RESET = struct.pack("ii", 1, 0)
QUICK = Times(look_s=0.05, half_open_s=0.3, linger_s=0.3)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Front(End):
    """A client's end that asks an origin for an upgrade as soon as it is connected."""

    def __init__(self, port: int, times: Times, before: bytes, tunnels: list[Front]) -> None:
        super().__init__(asyncio.get_running_loop(), times)
        self.port = port
        self.before = before
        self.tunnels = tunnels
        self.origin: OriginEnd | Trouble | None = None
        self.was_over = 0
        self.asking: asyncio.Task[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.tunnels.append(self)
        self.transport.write(self.before)
        self.pause()
        self.asking = asyncio.create_task(self.ask())

    async def ask(self) -> None:
        async def dial(make: Callable[[], OriginEnd]) -> OriginEnd:
            _, origin = await asyncio.get_running_loop().create_connection(make, "127.0.0.1", self.port)
            return origin

        origin = self.origin = await open_upgrade(dial, ASK, protocol=b"test", timeout_s=1.0, times=self._times)
        if isinstance(origin, Trouble):
            self.transport.abort()
            return
        rest = b"" if origin.reader is None else origin.reader.rest
        origin.settle()
        self.join(origin)
        self.take(rest)

    def over(self) -> None:
        super().over()
        self.was_over += 1


@dataclass
class Ends:
    """The client's streams, the origin's, and the tunnel between them."""

    client: Streams
    origin: Streams
    tunnels: list[Front] = field(default_factory=list)

    async def over(self) -> None:
        """Wait until both ends are gone, and see that this was told once."""
        await until(lambda: self.tunnels[0].was_over > 0)
        await asyncio.sleep(0.05)
        assert self.tunnels[0].was_over == 1
        assert self.tunnels[0].other is None


@asynccontextmanager
async def tunnel(*, before: bytes = b"", rest: bytes = b"", times: Times = QUICK) -> AsyncIterator[Ends]:
    """A tunnel whose origin has accepted the upgrade; `before` was on its way to the client already."""
    accepted: asyncio.Future[Streams] = asyncio.get_running_loop().create_future()
    tunnels: list[Front] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCH + rest)
        accepted.set_result((reader, writer))

    backend = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = backend.sockets[0].getsockname()[1]
    front = await asyncio.get_running_loop().create_server(lambda: Front(port, times, before, tunnels), "127.0.0.1", 0)
    client = await asyncio.open_connection("127.0.0.1", front.sockets[0].getsockname()[1])
    try:
        async with asyncio.timeout(30):
            origin = await accepted
            await until(lambda: tunnels[0].other is not None)
            yield Ends(client, origin, tunnels)
    finally:
        for writer in (client[1], accepted.result()[1]):
            writer.transport.abort()
        await until(lambda: tunnels[0].was_over > 0)
        front.close()
        backend.close()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection so that its peer sees a reset."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


async def test_bytes_pass_both_ways_from_the_first_on() -> None:
    """What stood in the packet of the 101 comes first; nothing is lost, doubled or reordered."""
    async with tunnel(rest=b"first,") as ends:
        ends.client[1].write(b"up" * 500_000)
        ends.origin[1].write(b"down" * 250_000)
        assert await ends.client[0].readexactly(6 + 1_000_000) == b"first," + b"down" * 250_000
        assert await ends.origin[0].readexactly(1_000_000) == b"up" * 500_000


async def test_an_end_is_passed_on_and_the_other_direction_goes_on() -> None:
    """A client that has said its last still hears what the origin says after it."""
    async with tunnel() as ends:
        ends.client[1].write(b"last words")
        ends.client[1].write_eof()
        assert await ends.origin[0].read() == b"last words"
        for word in (b"one", b"two", b"three", b"four"):
            await asyncio.sleep(0.15)  # each within the time that silence may last, all of them longer
            ends.origin[1].write(word)
            assert await ends.client[0].readexactly(len(word)) == word
        ends.origin[1].close()
        assert await ends.client[0].read() == b""
        await ends.over()


@pytest.mark.parametrize("first", ["client", "origin"])
async def test_a_tunnel_that_is_half_open_and_silent_ends(first: str) -> None:
    """An end that never answers the other's end does not hold both for ever."""
    async with tunnel() as ends:
        said, held = (ends.client, ends.origin) if first == "client" else (ends.origin, ends.client)
        said[1].write_eof()
        assert await held[0].read() == b""
        assert await said[0].read() == b""
        await ends.over()


@pytest.mark.parametrize("who", ["client", "origin"])
async def test_a_reset_is_passed_on_as_one(who: str) -> None:
    """The other end sees what it would have seen without us, at once."""
    async with tunnel() as ends:
        gone, left = (ends.client, ends.origin) if who == "client" else (ends.origin, ends.client)
        reset(gone[1])
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionResetError):
                await left[0].read()
        await ends.over()


@pytest.mark.parametrize("who", ["client", "origin"])
async def test_a_reset_is_seen_while_nothing_is_read(who: str) -> None:
    """An end that is made to wait because the other takes nothing may die all the same."""
    async with tunnel() as ends:
        gone, left = (ends.client, ends.origin) if who == "client" else (ends.origin, ends.client)
        left[0]._transport.pause_reading()  # type: ignore[attr-defined]
        await fill(gone[1])
        reset(gone[1])
        await ends.over()


async def fill(writer: asyncio.StreamWriter) -> int:
    """Write until nobody takes any more; how much went out."""
    sent = 0
    while True:
        writer.write(b"x" * 65_536)
        sent += 65_536
        try:
            async with asyncio.timeout(0.5):
                await writer.drain()
        except TimeoutError:
            return sent


@pytest.mark.parametrize("who", ["client", "origin"])
async def test_a_slow_end_makes_the_other_wait(who: str) -> None:
    """What is held for it is bounded, and all of it arrives when it reads on."""
    async with tunnel() as ends:
        fast, slow = (ends.client, ends.origin) if who == "client" else (ends.origin, ends.client)
        slow[0]._transport.pause_reading()  # type: ignore[attr-defined]
        sent = await fill(fast[1])
        front = ends.tunnels[0]
        held = [end.transport.get_write_buffer_size() for end in (front, front.other) if end is not None]
        assert max(held) < 1_000_000
        slow[0]._transport.resume_reading()  # type: ignore[attr-defined]
        fast[1].write_eof()
        got = 0
        while data := await slow[0].read(2**20):
            got += len(data)
        assert got == sent


@pytest.mark.parametrize("before", [b"", b"z" * 50_000_000])
async def test_an_origin_that_begins_with_a_flood_waits_from_the_start(before: bytes) -> None:
    """Also when the client has yet to read what it was sent before there was a tunnel."""
    async with tunnel(before=before, rest=b"x" * 500_000) as ends:
        ends.client[0]._transport.pause_reading()  # type: ignore[attr-defined]
        sent = 500_000 + await fill(ends.origin[1])
        held = ends.tunnels[0].transport.get_write_buffer_size()
        assert held < len(before) + 1_000_000
        ends.client[0]._transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await ends.client[0].readexactly(len(before) + sent)) == len(before) + sent


async def test_what_an_origin_said_before_it_closed_reaches_a_client_that_is_talking() -> None:
    """Bytes of the client that nobody takes any more must not turn into a reset of what it has not read yet."""
    async with tunnel() as ends:
        ends.client[0]._transport.pause_reading()  # type: ignore[attr-defined]
        ends.origin[1].write(b"x" * 300_000)
        ends.origin[1].close()
        await until(lambda: ends.tunnels[0].finished)
        for _ in range(10):
            ends.client[1].write(b"more" * 1_000)
            await asyncio.sleep(0.01)
        ends.client[0]._transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await ends.client[0].read()) == 300_000
        await ends.over()


async def test_an_end_that_does_not_hang_up_is_hung_up_on() -> None:
    """After the origin is gone, a client that neither reads nor closes is let go of."""
    async with tunnel() as ends:
        ends.client[0]._transport.pause_reading()  # type: ignore[attr-defined]
        await fill(ends.origin[1])
        ends.tunnels[0].hang_up()
        await ends.over()


async def test_an_origin_that_does_not_answer_is_given_up() -> None:
    """The time for the head is bounded; the origin's connection does not stay behind."""
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        left.set()
        writer.close()

    assert await asked(serve, timeout_s=0.2) is Trouble.TIMEOUT
    async with asyncio.timeout(10):
        await left.wait()


@pytest.mark.parametrize(
    ("raw", "trouble"),
    [(b"", Trouble.RESET), (SWITCH[:40], Trouble.RESET), (b"SSH-2.0-OpenSSH\r\n\r\n", Trouble.BAD_ANSWER)],
)
async def test_an_origin_that_closes_or_talks_rubbish_is_told_apart(raw: bytes, trouble: Trouble) -> None:
    """Each is what it is."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        writer.close()

    assert await asked(serve, timeout_s=5) is trouble


async def test_an_origin_that_is_gone_before_it_is_asked_is_a_reset() -> None:
    """A connection may be lost in the moment between its making and its use."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    assert await asked(serve, timeout_s=5, hesitate_s=0.1) is Trouble.RESET


async def asked(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    *,
    timeout_s: float,
    hesitate_s: float = 0.0,
) -> OriginEnd | Trouble:
    """Ask a server for an upgrade, so many seconds after connecting to it."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)

    async def dial(make: Callable[[], OriginEnd]) -> OriginEnd:
        port = server.sockets[0].getsockname()[1]
        _, origin = await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port)
        await asyncio.sleep(hesitate_s)
        return origin

    try:
        return await open_upgrade(dial, ASK, protocol=b"test", timeout_s=timeout_s)
    finally:
        server.close()
