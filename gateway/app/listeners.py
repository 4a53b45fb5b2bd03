"""The two sockets a gateway listens on: left by its predecessor, given by systemd, or made here."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.app.handover import Handover, Left
from gateway.app.opening import CannotStart, bound
from gateway.app.systemd import activated
from gateway.settings.model import Settings


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens. `kept`: systemd has it too, and callers who wait when we end are the next start's."""

    sock: socket.socket
    address: str
    kept: bool = False

    def left(self) -> Left:
        """As it is left to a successor."""
        return Left(self.sock.fileno(), self.address, self.kept)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Both of them."""

    data: Listener
    admin: Listener

    def close(self) -> None:
        """Close this process's hold on them."""
        self.data.sock.close()
        self.admin.sock.close()


def listeners(settings: Settings, handover: Handover | None) -> Listeners:
    """Find or make them; CannotStart where that cannot be done, and then nothing stays open."""
    given = activated(os.environ)
    data = _listener("data", settings.listen, "--listen", handover, given)
    try:
        admin = _listener("admin", settings.admin, "--admin", handover, given)
    except BaseException:
        data.sock.close()
        raise
    return Listeners(data, admin)


def _listener(name: str, address: str, option: str, handover: Handover | None, given: Mapping[str, int]) -> Listener:
    if name in given:
        return Listener(_adopted(given[name], "systemd's socket"), address, kept=True)
    left = None if handover is None else handover.listeners[name]
    if left is not None and (left.kept or left.address == address):
        return Listener(_adopted(left.handle, "the predecessor's socket"), address, left.kept)
    if left is not None:
        os.close(left.handle)  # the setting has changed: the old address ends with the predecessor
    return Listener(bound(address, option), address)


def _adopted(handle: int, whose: str) -> socket.socket:
    try:
        sock = socket.socket(fileno=handle)
    except OSError as error:
        raise CannotStart([f"{whose} (descriptor {handle}) is no socket: {error.strerror}"]) from error
    listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not listens:
        sock.close()
        raise CannotStart([f"{whose} (descriptor {handle}) is not a TCP socket that listens"])
    sock.setblocking(False)
    os.set_inheritable(handle, False)
    return sock
