"""What systemd gives to a service and wants to hear of it: sockets (LISTEN_FDS), datagrams (NOTIFY_SOCKET).

sd_listen_fds(3), sd_notify(3): a few lines, so no library.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import MutableMapping
from typing import Final

from gateway.telemetry import log

FIRST: Final = 3  # SD_LISTEN_FDS_START
MOST: Final = 16


def activated(environment: MutableMapping[str, str]) -> dict[str, int]:
    """The sockets systemd has opened, by their names (FileDescriptorName=), else `data` and `admin` in their order.

    The variables are taken away: they are not for the programs that this one starts.
    """
    pid, count, names = (environment.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES"))
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    given = names.split(":") if names else []
    found: dict[str, int] = {}
    unnamed = iter([name for name in ("data", "admin") if name not in given])
    for position in range(min(int(count), MOST)):
        name = given[position] if position < len(given) and given[position] in ("data", "admin") else next(unnamed, "")
        if name and name not in found:
            os.set_inheritable(FIRST + position, False)
            found[name] = FIRST + position
    return found


def notify(*said: str) -> None:
    """Tell the service manager, if there is one: `READY=1`, `STOPPING=1`, `MAINPID=...`; it never waits."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sock:
        try:
            sock.sendto("\n".join(said).encode(), address)
        except OSError as error:
            log("service_manager_not_told", level=logging.WARNING, error=error.strerror)


def reloading() -> tuple[str, str]:
    """What a service of Type=notify-reload says when it begins to reload."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"
