"""One connection to an origin, on real sockets: what its owner hears of it."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from pathlib import Path

import pytest

from gateway.relay.connection import Connection
from gateway.relay.trouble import Trouble
from gateway.relay.turns import AT_ONCE
from gateway.upstream.reach import trust
from tests.gateway.proxy.harness import until
from tests.gateway.upstream.certificates import Authority

ON_BOTH_LOOPS = True
UPLOAD = b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n"
REFUSAL = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 7\r\nconnection: close\r\n\r\ntoo big"


class Ear:
    """Listens, and keeps nothing."""

    def heard(self) -> None:
        pass

    full = room = heard


class TurnsOf(Ear):
    """Notes in which turn of the loop there was news."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._turn, self.heard_in = loop, 0, list[int]()
        self._count()

    def _count(self) -> None:
        self._turn += 1
        self._loop.call_soon(self._count)

    def heard(self) -> None:
        self.heard_in.append(self._turn)


async def test_an_origin_that_is_faster_than_everybody_gets_one_turn_like_everybody() -> None:
    """A download at full speed was read up to 32 times in a row: a few of them kept all others waiting for 100 ms."""
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        _, connection = await loop.create_connection(lambda: Connection(loop, lambda _: None), *listening.getsockname())
        connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        origin, _ = listening.accept()
        with origin:
            turns = TurnsOf(loop)
            connection.begin(turns, b"GET / HTTP/1.1\r\n\r\n", head_only=False)
            connection.pause()
            origin.setblocking(False)
            sent = origin.send(b"HTTP/1.1 200 OK\r\ncontent-length: 90000000\r\n\r\n" + b"x" * 2**24)
            assert sent > 2 * AT_ONCE
            connection.resume()
            await until(lambda: connection.answer.held > AT_ONCE)
            connection.resume()
            await until(lambda: len(turns.heard_in) > 1)
            connection.transport.abort()
    assert len(set(turns.heard_in)) == len(turns.heard_in)


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
        connection.begin(Ear(), UPLOAD, head_only=False)
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


def _sockets() -> int:
    links = list(Path("/proc/self/fd").iterdir())
    return sum(os.readlink(link).startswith("socket:") for link in links if link.is_symlink())


def _refuses(listening: socket.socket, authority: Authority, said: bytes) -> None:
    with authority.server("localhost").wrap_socket(listening.accept()[0], server_side=True) as origin:
        origin.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or the reset would overtake what is said
        origin.recv(len(UPLOAD))
        origin.sendall(said)
        origin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(
    ("said", "trouble"), [(REFUSAL, None), (REFUSAL[:-1], Trouble.RESET), (b"", Trouble.RESET)], ids=repr
)
async def test_a_refusal_of_an_upload_is_heard_under_tls(said: bytes, trouble: Trouble | None, tmp_path: Path) -> None:
    """What the socket still holds is read when writing on has failed: a third of an origin's 413 was a 502."""
    loop = asyncio.get_running_loop()
    lost: list[Connection] = []
    authority = Authority(tmp_path)
    before = _sockets()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        refusing = loop.run_in_executor(None, _refuses, listening, authority, said)
        _, connection = await loop.create_connection(
            lambda: Connection(loop, lost.append),
            *listening.getsockname(),
            ssl=trust(authority.file),
            server_hostname="localhost",
        )
        connection.begin(Ear(), UPLOAD, head_only=False)
        connection.transport.pause_reading()  # as if this loop were busy until it writes
        await refusing
        while not lost:
            connection.transport.write(b"upload" * 10_000)
            await asyncio.sleep(0.001)
    assert connection.answer.trouble is trouble
    if trouble is None:
        assert (connection.answer.status, connection.answer.body()) == (413, b"too big")
    assert not connection.reusable
    await until(lambda: _sockets() <= before)


async def test_a_foreign_context_has_no_last_words(tmp_path: Path) -> None:
    """They are left unread where nobody can tell where TLS puts what comes in."""
    authority = Authority(tmp_path)
    foreign = ssl.create_default_context(cafile=str(authority.file))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        loop = asyncio.get_running_loop()
        refusing = loop.run_in_executor(None, _refuses, listening, authority, b"")
        lost: list[Connection] = []
        _, connection = await loop.create_connection(
            lambda: Connection(loop, lost.append), *listening.getsockname(), ssl=foreign, server_hostname="localhost"
        )
        connection.begin(Ear(), UPLOAD, head_only=False)
        await refusing
        await until(lambda: lost == [connection])
    assert connection.answer.trouble is Trouble.RESET
