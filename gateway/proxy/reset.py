"""The end of a connection that nobody can take for the end of an answer."""

from __future__ import annotations

import socket
import struct
from typing import Any, Final

_AT_ONCE: Final = struct.pack("ii", 1, 0)


def reset(transport: Any) -> None:
    """End a connection so that the client cannot take it for the end of its answer."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
