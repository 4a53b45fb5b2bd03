"""Why the gateway refuses what both h11 and Node would read: the list is closed, and the documents have it.

A refusal that none of these explains is a request lost for nothing (docs/explanation/what-it-refuses.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tests.fuzz.reading import Read

_HOST: Final = re.compile(rb"([A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_HOST_AND_SPACE: Final = re.compile(rb"\nhost:[^\n]*[ \t]\r\n", re.IGNORECASE)
_LOOSE_LENGTH: Final = re.compile(rb"\ncontent-length:[ \t]*([0-9]{19}|[0-9]*[ \t])", re.IGNORECASE)
_PLAIN_CODING: Final = re.compile(rb"\ntransfer-encoding: ?chunked\r\n", re.IGNORECASE)
_CHUNK_LINE: Final = re.compile(
    rb"\r\n[0-9A-Fa-f]{17}|\r\n[89A-Fa-f][0-9A-Fa-f]{15}[;\r]|;[^\r\n]{4096}"
    rb"|\r\n[0-9A-Fa-f]+;[^\r\n]*[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
_TRAILER: Final = re.compile(
    rb"\r\n0+(?:;[^\n]*)?\r\n(?:[^\r\n]+\r\n)*?(?:content-length|transfer-encoding|(?:proxy-)?connection):",
    re.IGNORECASE,
)
_BARE: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)")

Reason = Callable[[Read, bytes], bool]


def reason_for(read: Read, raw: bytes) -> str | None:
    """The first reason that holds for a request; `raw` is all the connection has sent."""
    return next((name for name, holds in REASONS.items() if holds(read, raw)), None)


def _bad_host(read: Read, raw: bytes) -> bool:
    hosts = read.values(b"host")
    if not hosts:
        return read.version != b"1.0"
    return len(hosts) > 1 or _HOST.fullmatch(hosts[0]) is None or _HOST_AND_SPACE.search(raw) is not None


def _another_host(read: Read, raw: bytes) -> bool:
    absolute = re.match(rb"https?://([^/?#]*)", read.target, re.IGNORECASE)
    return absolute is not None and absolute.group(1).lower() != b"".join(read.values(b"host")).lower()


def _bad_target(read: Read, raw: bytes) -> bool:
    if b"#" in read.target:
        return True
    if read.target.startswith(b"/"):
        return read.method == b"CONNECT"
    if read.target == b"*":
        return read.method != b"OPTIONS"
    absolute = re.match(rb"https?://[^/?#]*([^?]*)", read.target, re.IGNORECASE)
    return absolute is None or re.search(rb"[\\']", absolute.group(1)) is not None


REASONS: Final[dict[str, Reason]] = {
    "lines end with CRLF": lambda read, raw: _BARE.search(raw) is not None,
    "there is one Host, and nothing but a host in it": _bad_host,
    "an absolute target names the same host as Host": _another_host,
    "a target is a path without a fragment, or * of OPTIONS": _bad_target,
    "the version is 1.0 or 1.1": lambda read, raw: read.version not in (b"1.0", b"1.1"),
    "HTTP/1.0 knows no chunks": lambda read, raw: read.version == b"1.0" and bool(read.values(b"transfer-encoding")),
    "a length is up to 18 digits and nothing else": lambda read, raw: _LOOSE_LENGTH.search(raw) is not None,
    "a coding is chunked, alone, after one space or none": lambda read, raw: (
        bool(read.values(b"transfer-encoding")) and _PLAIN_CODING.search(raw) is None
    ),
    "a chunk's line is up to 16 digits and 4 KiB of printable extensions": lambda read, raw: (
        _CHUNK_LINE.search(raw) is not None
    ),
    "trailers neither frame nor close": lambda read, raw: _TRAILER.search(raw) is not None,
    "a WebSocket's handshake is a GET without a body": lambda read, raw: (
        b"websocket" in map(bytes.lower, read.values(b"upgrade"))
    ),
    "a target has up to 16 KiB": lambda read, raw: len(read.target) > 16_384,
    "a head has up to 64 KiB and 100 fields": lambda read, raw: len(read.headers) > 100 or len(raw) > 65_536,
}
