"""One connection to an origin, on real sockets: what its owner hears of it."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from gateway.relay.connection import Connection
from gateway.relay.trouble import Trouble
from tests.gateway.proxy.harness import until

ON_BOTH_LOOPS = True
REFUSAL = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 7\r\nconnection: close\r\n\r\ntoo big"


class Ear:
    """Listens, and keeps nothing."""

    def heard(self) -> None:
        pass

    full = room = heard


@pytest.mark.parametrize(
    ("said", "trouble"), [(REFUSAL, None), (REFUSAL[:-1], Trouble.RESET), (b"", Trouble.RESET)], ids=repr
)
async def test_a_refusal_of_an_upload_is_heard_when_writing_on_fails(said: bytes, trouble: Trouble | None) -> None:
    """An origin answers and hangs up with most of the body unread: its 413 was a 502 whenever a write came first."""
    loop = asyncio.get_running_loop()
    lost: list[Connection] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        _, connection = await loop.create_connection(lambda: Connection(loop, lost.append), *listening.getsockname())
        origin, _ = listening.accept()
        connection.begin(Ear(), b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n", head_only=False)
        origin.sendall(said)
        origin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        origin.close()
        connection.transport.write(b"upload")
        await until(lambda: lost == [connection])
    assert connection.answer.trouble is trouble
    assert connection.answer.complete is (trouble is None)
    if trouble is None:
        assert (connection.answer.status, connection.answer.body()) == (413, b"too big")
    assert not connection.reusable
