"""The PROXY protocol's two forms are read strictly, however they are cut, and nothing else passes for one."""

import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.proxy_protocol import V2_BYTES, Announced, Refused, read

HTTP = b"GET / HTTP/1.1\r\n\r\n"
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
FOUR = socket.inet_aton("192.0.2.43") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 47011, 443)
SIX = socket.inet_pton(socket.AF_INET6, "2001:db8::17") + bytes(16) + struct.pack("!HH", 1, 2)
UNIX = b"/run/client".ljust(108, b"\0") + b"/run/server".ljust(108, b"\0")
TLV = b"\x04\x00\x02ab" + b"\xea\x00\x05vpc-1"


def v2(command: int, family: int, block: bytes, *, length: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(block) if length is None else length) + block


GOOD = {
    "v1 IPv4": (b"PROXY TCP4 192.0.2.43 198.51.100.1 47011 443\r\n", "192.0.2.43"),
    "v1 IPv6": (b"PROXY TCP6 2001:DB8::17 2001:db8::1 1 65535\r\n", "2001:db8::17"),
    "v1 longest": (b"PROXY UNKNOWN ".ljust(105, b"x") + b"\r\n", "unknown"),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", "unknown"),
    "v1 unknown with addresses": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "unknown"),
    "v1 port zero": (b"PROXY TCP4 192.0.2.43 198.51.100.1 0 0\r\n", "192.0.2.43"),
    "v2 IPv4": (v2(0x21, 0x11, FOUR), "192.0.2.43"),
    "v2 IPv6": (v2(0x21, 0x21, SIX), "2001:db8::17"),
    "v2 IPv4 with the balancer's own fields": (v2(0x21, 0x11, FOUR + TLV), "192.0.2.43"),
    "v2 IPv6 with the balancer's own fields": (v2(0x21, 0x21, SIX + TLV), "2001:db8::17"),
    "v2 UNIX": (v2(0x21, 0x31, UNIX), "unknown"),
    "v2 unspecified": (v2(0x21, 0x00, b""), "unknown"),
    "v2 unspecified with a block": (v2(0x21, 0x00, b"xyz"), "unknown"),
    "v2 LOCAL": (v2(0x20, 0x00, b""), None),
    "v2 LOCAL with addresses": (v2(0x20, 0x11, FOUR), None),
    "v2 LOCAL of an unknown family": (v2(0x20, 0x99, b"x" * 30), None),
    "v2 largest": (v2(0x21, 0x11, FOUR + b"\xea" * (V2_BYTES - 28)), "192.0.2.43"),
}
BAD = {
    "HTTP": HTTP,
    "lower case": b"proxy TCP4 192.0.2.43 198.51.100.1 1 2\r\n",
    "nothing said": b"PROXY \r\n",
    "no family": b"PROXY 192.0.2.43 198.51.100.1 1 2\r\n",
    "UDP4": b"PROXY UDP4 192.0.2.43 198.51.100.1 1 2\r\n",
    "IPv6 as TCP4": b"PROXY TCP4 ::1 ::1 1 2\r\n",
    "IPv4 as TCP6": b"PROXY TCP6 192.0.2.43 198.51.100.1 1 2\r\n",
    "two spaces": b"PROXY  TCP4 192.0.2.43 198.51.100.1 1 2\r\n",
    "space at the end": b"PROXY TCP4 192.0.2.43 198.51.100.1 1 2 \r\n",
    "no ports": b"PROXY TCP4 192.0.2.43 198.51.100.1\r\n",
    "port too large": b"PROXY TCP4 192.0.2.43 198.51.100.1 65536 2\r\n",
    "port with zeros": b"PROXY TCP4 192.0.2.43 198.51.100.1 01 2\r\n",
    "address with zeros": b"PROXY TCP4 192.0.2.043 198.51.100.1 1 2\r\n",
    "address too short": b"PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n",
    "a name": b"PROXY TCP4 shop.test 198.51.100.1 1 2\r\n",
    "LF for an end": b"PROXY TCP4 192.0.2.43 198.51.100.1 1 2\n" + HTTP,
    "CR within": b"PROXY TCP4 192.0.2.43\r 198.51.100.1 1 2\r\n",
    "no end": b"PROXY UNKNOWN " + b"x" * 200,
    "too long": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n",
    "v2 version 1": v2(0x11, 0x11, FOUR),
    "v2 version 3": v2(0x31, 0x11, FOUR),
    "v2 unknown command": v2(0x22, 0x11, FOUR),
    "v2 UDP4": v2(0x21, 0x12, FOUR),
    "v2 unknown family": v2(0x21, 0x41, FOUR),
    "v2 block too short": v2(0x21, 0x11, FOUR[:11]),
    "v2 IPv6 with IPv4's block": v2(0x21, 0x21, FOUR),
    "v2 UNIX too short": v2(0x21, 0x31, UNIX[:-1]),
    "v2 too long": v2(0x21, 0x11, FOUR, length=V2_BYTES),
    "v2 longest": v2(0x21, 0x11, FOUR, length=65_535),
    "v2 broken signature": SIGNATURE[:-1] + b"\r" + v2(0x21, 0x11, FOUR)[12:],
}


@pytest.mark.parametrize(("sent", "address"), [pytest.param(*one, id=name) for name, one in GOOD.items()])
def test_a_header_tells_the_address_and_leaves_the_rest(sent: bytes, address: str | None) -> None:
    """Whole it is read; every shorter piece of it asks for more, so no cut changes what is read."""
    assert read(sent + HTTP) == Announced(address, HTTP)
    assert read(sent) == Announced(address, b"")
    assert [read(sent[:end]) for end in range(len(sent))] == [None] * len(sent)


@pytest.mark.parametrize("sent", [pytest.param(sent, id=name) for name, sent in BAD.items()])
def test_anything_else_is_refused(sent: bytes) -> None:
    """What is no header is refused at some byte, and stays refused however much follows."""
    answers = [read((sent + HTTP * 20)[:end]) for end in range(len(sent) + 200)]
    first = next(at for at, answer in enumerate(answers) if answer is not None)
    assert all(isinstance(answer, Refused) for answer in answers[first:])
    assert read(b"") is None


def test_nothing_is_gathered_beyond_the_limits() -> None:
    """More bytes than a header may have are never asked for."""
    for start in (b"PROXY UNKNOWN " + b"x" * 500, v2(0x20, 0, b"x" * 5000)):
        assert isinstance(read(start[:V2_BYTES]), Refused)


@given(st.ip_addresses(v=4), st.ip_addresses(v=6), st.integers(0, 65_535), st.binary(max_size=40))
def test_both_forms_say_the_same(
    four: ipaddress.IPv4Address, six: ipaddress.IPv6Address, port: int, rest: bytes
) -> None:
    """Any address comes out of version 1 and of version 2 alike, with the bytes after it untouched."""
    assert read(f"PROXY TCP4 {four} {four} {port} 1\r\n".encode() + rest) == Announced(str(four), rest)
    assert read(f"PROXY TCP6 {six} {six} {port} 1\r\n".encode() + rest) == Announced(str(six), rest)
    ports = struct.pack("!HH", port, 1)
    assert read(v2(0x21, 0x11, four.packed * 2 + ports) + rest) == Announced(str(four), rest)
    assert read(v2(0x21, 0x21, six.packed * 2 + ports) + rest) == Announced(str(six), rest)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    """Any first bytes, also behind a right beginning, are read, refused or not enough."""
    for start in (b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11"):
        assert isinstance(read(start + data), Announced | Refused | None)
