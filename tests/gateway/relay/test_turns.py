"""Who sends at full speed gets one turn of the loop, as everybody else; who was paused meanwhile stays paused."""

from __future__ import annotations

import asyncio
import socket

from gateway.relay.tunnel import End
from gateway.relay.turns import AT_ONCE, let_others
from tests.gateway.proxy.harness import until

ON_BOTH_LOOPS = True


class Taker(End):
    """The other end of a tunnel: it takes everything, and notes in which turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.turn, self.taken_in = 0, list[int]()
        self.count()

    def count(self) -> None:
        self.turn += 1
        self._loop.call_soon(self.count)

    def take(self, data: bytes) -> None:
        self.taken_in.append(self.turn)


def filled(listening: socket.socket) -> socket.socket:
    """A peer that has sent as much as the system takes."""
    peer, _ = listening.accept()
    peer.setblocking(False)
    assert peer.send(b"x" * 2**24) > 2 * AT_ONCE
    return peer


async def test_a_tunnel_gets_one_turn_however_fast_its_end_sends() -> None:
    """What waits in the socket is read piece by piece, with a turn for others between two."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        transport, end = await loop.create_connection(lambda: End(loop), *listening.getsockname())
        end.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        end.pause()
        with filled(listening):
            end.other = taker = Taker(loop)
            end.resume()
            await until(lambda: len(taker.taken_in) > 2)
            end.other = None
            transport.abort()
    assert len(set(taker.taken_in)) == len(taker.taken_in)


async def test_who_was_paused_within_that_turn_is_not_read() -> None:
    """The other end was full by then: what comes would be piled up."""
    loop, got = asyncio.get_running_loop(), list[int]()
    paused = False

    class Reader(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            nonlocal paused
            got.append(len(data))
            let_others(transport, lambda: paused)
            paused = True

    with socket.create_server(("127.0.0.1", 0)) as listening:
        transport, _ = await loop.create_connection(Reader, *listening.getsockname())
        with filled(listening):
            await until(lambda: bool(got))
            for _ in range(10):
                await asyncio.sleep(0)
            transport.abort()
    assert len(got) == 1
