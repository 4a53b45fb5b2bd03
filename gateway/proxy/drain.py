"""How a server ends so that no request is lost: callers who are already here are served, then told to leave.

What a connection does when it is told (`shutdown`) is its own: a kept one answers one more request, with
`connection: close`, or goes after a second of silence; a WebSocket says 1012.
"""

from __future__ import annotations

import asyncio
import ctypes
import select
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, cast

import uvicorn

from gateway.proxy.accept import AT_ONCE, Acceptor
from gateway.proxy.reset import reset

LOOK_S: Final = 0.05
SETTLE_S: Final = 0.1  # for handshakes that were under way: a round trip
BACKLOG_S: Final = 2.0  # for taking what the kernel has accepted
CUT_S: Final = 0.5  # for what is cut to tell its client

_SO_ATTACH_FILTER: Final = 26  # asm-generic/socket.h
# Classic BPF over a TCP header: a SYN without an ACK goes no further, all else does.
_NO_NEW_CALLERS: Final = (
    (0x30, 0, 0, 13),  # load byte 13, the flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # only SYN?
    (0x06, 0, 0, 0),  # drop
    (0x06, 0, 0, 0xFFFFFFFF),  # pass
)


class QuietServer(uvicorn.Server):
    """A uvicorn server among others in one process: the composition root handles the signals for all of them.

    `drain_s` seconds are for requests under way at the end. `shares` says that others have the same sockets, so that
    callers who wait there at the end are theirs; `has_rivals`, that others accept from them all the time.
    """

    def __init__(self, config: uvicorn.Config, *, drain_s: float) -> None:
        super().__init__(config)
        self.drain_s = drain_s
        self.shares = self.has_rivals = False
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        if self.has_rivals:
            await super().startup([])
            self.servers = [cast(asyncio.Server, self._acceptor(sock)) for sock in sockets or []]
        else:
            await super().startup([one for sock in sockets or [] for one in (sock, *_again(sock))])
        self.listening.set()

    def _acceptor(self, sock: socket.socket) -> Acceptor:
        config, state = self.config, self.server_state

        def make() -> asyncio.Protocol:
            return config.http_protocol_class(config=config, server_state=state, app_state=self.lifespan.state)  # type: ignore[call-arg]  # as uvicorn does

        return Acceptor(sock, make, lambda: len(state.connections))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take whoever has already called, listen no more, finish what is under way, cut what takes too long."""
        if not self.shares:
            await take_backlog(sockets or [], given_up=lambda: self.force_exit)
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await self._until_empty(self.drain_s)
        if not self._is_empty():
            await self._cut()

    async def _until_empty(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        # uvicorn tells nobody when the last connection goes
        while not self._is_empty() and not self.force_exit and loop.time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)

    def _is_empty(self) -> bool:
        return not self.server_state.connections and not self.server_state.tasks

    async def _cut(self) -> None:
        """End what is left: tasks may tell their clients, then connections go, not in a way that looks like an end."""
        for task in list(self.server_state.tasks):
            task.cancel()
        if not self.force_exit:
            await self._until_empty(CUT_S)
        for connection in list(self.server_state.connections):
            reset(connection.transport)
        await asyncio.sleep(0)  # connections hear of their end


def _again(sock: socket.socket) -> list[socket.socket]:
    """The same socket some more times: uvloop accepts one caller a turn of each, and in a crowd a turn takes long."""
    return [sock.dup() for _ in range(AT_ONCE - 1)]


async def take_backlog(sockets: Sequence[socket.socket], *, given_up: Callable[[], bool]) -> None:
    """Let nobody new call, and wait until all who have are accepted: closing a socket resets those in its backlog."""
    for sock in sockets:
        _refuse_new_callers(sock)
    loop = asyncio.get_running_loop()
    settled, too_late = loop.time() + SETTLE_S, loop.time() + BACKLOG_S
    while not given_up() and loop.time() < too_late:
        if loop.time() > settled and not any(map(_somebody_waits, sockets)):
            return
        await asyncio.sleep(LOOK_S)


def _refuse_new_callers(sock: socket.socket) -> None:
    """Have the kernel drop first packets of new connections; those who are refused try again, and find nobody."""
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _NO_NEW_CALLERS))
    pointer = struct.pack("HL", len(_NO_NEW_CALLERS), ctypes.addressof(program))
    with suppress(OSError):  # without it, whoever calls in the last moment is reset
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pointer)


def _somebody_waits(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
