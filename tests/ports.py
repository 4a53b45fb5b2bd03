"""Ports for servers that a test starts in other processes: several runs of the tests share a machine, and its ports."""

from __future__ import annotations

import socket
from typing import Final

_held: Final[list[socket.socket]] = []


def free_ports(count: int) -> list[int]:
    """Ports of the loopback on which nobody listens, and which nobody else is given while this run lasts.

    A socket that is bound and never listens keeps each of them: connecting there is refused, the kernel gives the port
    to nobody who takes any, and whoever is told its number and sets SO_REUSEADDR, as servers do, listens on it.
    """
    return [_hold() for _ in range(count)]


def _hold() -> int:
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    _held.append(holder)
    return int(holder.getsockname()[1])
