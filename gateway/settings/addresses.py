"""What a text that says where something is reached has to be: an origin, a Unix socket, HOST:PORT, an app's name.

Each rule returns what was meant or raises ValueError with a sentence; none knows which setting it reads. And why
nothing can listen at an address.
"""

from __future__ import annotations

import errno
import socket
from typing import Final
from urllib.parse import urlsplit

UNIX: Final = "unix:"
SOCKET_PATH_BYTES: Final = (
    107  # sun_path of Linux without its end; other systems have less and say so when they connect
)


def origin(value: str) -> str:
    """Accept `http://host[:port]` and `https://host[:port]`; a path, user or query has no meaning here."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{value!r} is not a URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{value!r} is not a URL like http://127.0.0.1:3001")
    if port == 0 or parts.username or parts.query or parts.fragment or parts.path not in ("", "/"):
        raise ValueError(f"{value!r} must be scheme, host and port only: the path comes from each request")
    return f"{parts.scheme}://{parts.netloc}"


def unix_socket(value: str) -> str:
    """Accept `unix:/path`, also written `unix:///path`."""
    path = value.removeprefix(UNIX)
    path = path.removeprefix("//") if path.startswith("///") else path
    if not path.startswith("/") or "\0" in path or len(path.encode()) > SOCKET_PATH_BYTES:
        raise ValueError(f"{value!r} is not {UNIX} and an absolute path of {SOCKET_PATH_BYTES} bytes at most")
    return UNIX + path


def origins(value: str) -> tuple[str, ...]:
    """Split a setting into its origins."""
    return tuple(part.strip() for part in value.split(","))


def is_origin(value: str) -> bool:
    """Whether a side is reached over HTTP; else it is an app, `module:factory`."""
    return "://" in value or value.startswith(f"{UNIX}/")


def several_origins(value: str) -> str:
    """Accept one origin, or several that are reached in the same way, with commas between them."""
    read = [unix_socket(one) if one.startswith(UNIX) else origin(one) for one in origins(value)]
    if len({one.partition(":")[0] for one in read}) > 1:
        raise ValueError(f"{value!r} must be all http, all https or all {UNIX.rstrip(':')}")
    return ",".join(read)


def new_side(value: str) -> str:
    """Accept origins, or `module:factory` of an ASGI app."""
    if is_origin(value):
        return several_origins(value)
    module, colon, factory = value.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module.split("."), factory]):
        raise ValueError(f"{value!r} is neither a URL nor module:factory")
    return value


def address(value: str) -> str:
    """Accept HOST:PORT."""
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{value!r} is not HOST:PORT")
    return value


def split_address(address: str) -> tuple[str, int]:
    """Split HOST:PORT; an IPv6 host loses its brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def why_not_listen(error: OSError, host: str, port: int) -> str:
    """Why nothing can listen there, as a sentence without its end."""
    if isinstance(error, socket.gaierror):
        return f"the host {host} is not known"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use"
    if error.errno == errno.EACCES:
        return f"port {port} on {host} may only be used by root"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine"
    return f"port {port} on {host} cannot be listened on: {error.strerror}"
