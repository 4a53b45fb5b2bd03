"""Accepts connections from a socket that several processes accept from, so that each gets about its share.

The kernel wakes all of them, and the first to run would take every caller of a burst and keep them for as long as
they live. Here whoever has more connections waits a little longer, and nobody takes many at once.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

from gateway.telemetry import log

AT_ONCE: Final = 8
PER_CONNECTION_S: Final = 0.00005
LONGEST_S: Final = 0.002  # what a caller may have to wait for this
FULL_S: Final = 0.2  # no descriptor or no memory is left: others may have some


class Acceptor:
    """Listens from the moment it is made. `has` says how many connections this process has."""

    def __init__(self, sock: socket.socket, make: Callable[[], asyncio.Protocol], has: Callable[[], int]) -> None:
        self.sockets = (sock,)
        self._sock, self._make, self._has = sock, make, has
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._welcomed: set[asyncio.Task[None]] = set()
        sock.setblocking(False)
        self._loop.add_reader(sock, self._somebody_calls)

    def close(self) -> None:
        """Listen no more; who was accepted stays."""
        self._loop.remove_reader(self._sock)
        if self._timer is not None:
            self._timer.cancel()

    def _somebody_calls(self) -> None:
        pause = min(self._has() * PER_CONNECTION_S, LONGEST_S)
        if pause:
            self._look_again_in(pause)
        else:
            self._accept()

    def _look_again_in(self, pause: float) -> None:
        self._loop.remove_reader(self._sock)
        self._timer = self._loop.call_later(pause, self._go_on)

    def _go_on(self) -> None:
        self._loop.add_reader(self._sock, self._somebody_calls)
        self._accept()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                client, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                log("cannot_accept", level=logging.ERROR, error=error.strerror)
                self._look_again_in(FULL_S)
                return
            task = self._loop.create_task(self._welcome(client))
            self._welcomed.add(task)
            task.add_done_callback(self._welcomed.discard)

    async def _welcome(self, client: socket.socket) -> None:
        try:
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.connect_accepted_socket(self._make, client)
        except OSError:
            client.close()  # gone already
