"""The PROXY protocol, versions 1 and 2: the client's address, told by the proxy before the first byte of HTTP. Pure.

Whether it may be told at all is not decided here: only a connection from a trusted proxy is read so
(https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, sections 2.1 and 2.2).
"""

from __future__ import annotations

import ipaddress
import re
import struct
from dataclasses import dataclass
from typing import Final

V1_BYTES: Final = 107  # with CRLF, the most that section 2.1 allows
V2_BYTES: Final = 4096  # ours: an address takes 36 bytes, a load balancer's own fields some hundred
_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_HEAD: Final = 16  # bytes: signature, version and command, family, length of the rest
_LOCAL, _PROXY = 0x20, 0x21
UNKNOWN: Final = "unknown"  # somebody's whose address is not told; RFC 7239 section 6.2 has the word
_V1: Final = re.compile(rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|(TCP4|TCP6) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (\d+) (\d+))")
_PORT: Final = re.compile(rb"0|[1-9][0-9]{0,4}")
# family and transport -> bytes of the addresses block (section 2.2); UNIX sockets and UNSPEC name no address
_BLOCKS: Final = {0x00: 0, 0x11: 12, 0x21: 36, 0x31: 216}


@dataclass(frozen=True, slots=True)
class Announced:
    """What a proxy has said: the client's address, and the bytes of HTTP after it.

    None when it speaks for itself. A client without an address is `unknown`, and not the proxy: what it claims of
    itself would be believed.
    """

    address: str | None
    rest: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """The bytes are no PROXY header, and why."""

    reason: str


def read(data: bytes) -> Announced | Refused | None:
    """Read a connection's first bytes, all that have come; None when more are needed."""
    if data.startswith(_SIGNATURE[: len(data)]):
        return _read_v2(data)
    if data.startswith(b"PROXY "[: len(data)]):
        return _read_v1(data)
    return Refused("no_signature")


def _read_v1(data: bytes) -> Announced | Refused | None:
    line, ended, rest = data.partition(b"\r\n")
    if not ended or len(line) > V1_BYTES - 2:
        return Refused("line_too_long") if len(data) >= V1_BYTES else None
    found = _V1.fullmatch(line)
    if found is None:
        return Refused("bad_line")
    family, *addresses, source_port, own_port = found.groups()
    if family is None:
        return Announced(UNKNOWN, rest)
    source, own = (_address(address, family) for address in addresses)
    if source is None or own is None or not (_is_port(source_port) and _is_port(own_port)):
        return Refused("bad_address")
    return Announced(source, rest)


def _read_v2(data: bytes) -> Announced | Refused | None:
    if len(data) < _V2_HEAD:
        return None
    command, family, length = struct.unpack_from("!BBH", data, len(_SIGNATURE))
    if command not in (_LOCAL, _PROXY):
        return Refused("bad_version")
    if _V2_HEAD + length > V2_BYTES:
        return Refused("too_long")
    if command == _PROXY and length < _BLOCKS.get(family, V2_BYTES):
        return Refused("bad_family" if family not in _BLOCKS else "too_short")
    if len(data) < _V2_HEAD + length:
        return None
    rest = data[_V2_HEAD + length :]  # the addresses block and the proxy's own fields (TLVs) are passed over
    if command == _PROXY and family == 0x11:
        return Announced(str(ipaddress.IPv4Address(data[_V2_HEAD : _V2_HEAD + 4])), rest)
    if command == _PROXY and family == 0x21:
        return Announced(str(ipaddress.IPv6Address(data[_V2_HEAD : _V2_HEAD + 16])), rest)
    return Announced(None if command == _LOCAL else UNKNOWN, rest)


def _address(text: bytes, family: bytes) -> str | None:
    try:
        if family == b"TCP4":
            return str(ipaddress.IPv4Address(text.decode("ascii")))
        return str(ipaddress.IPv6Address(text.decode("ascii")))
    except ValueError:
        return None


def _is_port(text: bytes) -> bool:
    return _PORT.fullmatch(text) is not None and int(text) <= 65_535
