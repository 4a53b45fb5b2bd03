"""`Forwarded` and X-Forwarded-For are read as RFC 7239 and the proxies of this world write them."""

import ipaddress
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message import Headers
from gateway.proxy.forwarded import LIMIT, MAX_HOPS, UNREADABLE, Hop, address_of, parse_addresses, parse_forwarded
from gateway.proxy.peer import Peer, Telling, Trust, identify
from tests.gateway.proxy.harness import OK, always, ask, gateway, get, upstream

TRUSTED = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
PROXY = "10.0.0.1"


@pytest.mark.parametrize(
    ("node", "address"),
    [
        ("192.0.2.43", "192.0.2.43"),
        ("192.0.2.43:47011", "192.0.2.43"),
        ("192.0.2.43:_port", "192.0.2.43"),
        ("[2001:db8:cafe::17]", "2001:db8:cafe::17"),
        ("[2001:DB8:cafe::17]:4711", "2001:db8:cafe::17"),
        ("2001:db8:cafe::17", "2001:db8:cafe::17"),
        ("::ffff:192.0.2.43", "192.0.2.43"),
        ("[::ffff:192.0.2.43]:80", "192.0.2.43"),
        ("unknown", None),
        ("_hidden", None),
        ("_SEVKISEK", None),
        ("", None),
        ("192.0.2.043", None),
        ("192.0.2", None),
        ("192.0.2.43:123456", None),
        ("[192.0.2.43]", None),
        ("[::1", None),
        ("fe80::1%eth0", None),
        ("example.test", None),
        ("192.0.2.43 ", None),
        ("0x7f.1", None),
        ("2130706433", None),
    ],
)
def test_a_node_is_an_address_or_nothing(node: str, address: str | None) -> None:
    """Ports and brackets go, IPv4 within IPv6 is IPv4, everything that is no address says nothing."""
    assert address_of(node) == address


@pytest.mark.parametrize(
    ("values", "hops"),
    [
        ([b"for=192.0.2.43"], [Hop("192.0.2.43")]),
        ([b'For="[2001:db8:cafe::17]:4711"'], [Hop("2001:db8:cafe::17")]),
        ([b"for=192.0.2.60;proto=http;by=203.0.113.43"], [Hop("192.0.2.60", None, "http")]),
        ([b"for=192.0.2.43, for=198.51.100.17"], [Hop("192.0.2.43"), Hop("198.51.100.17")]),
        ([b"for=192.0.2.43", b"for=198.51.100.17"], [Hop("192.0.2.43"), Hop("198.51.100.17")]),
        ([b'for="_gazonk"'], [Hop(None)]),
        ([b"for=unknown;proto=https"], [Hop(None, None, "https")]),
        ([b"proto=https;host=shop.test"], [Hop(None, "shop.test", "https")]),
        ([b'for=1.2.3.4 ; proto=https; host="shop.test:8443"'], [Hop("1.2.3.4", "shop.test:8443", "https")]),
        ([b'host="a\\"b,c;d";for=1.2.3.4'], [Hop("1.2.3.4", 'a"b,c;d')]),
        ([b"for=1.2.3.4, , ,for=5.6.7.8,"], [Hop("1.2.3.4"), Hop("5.6.7.8")]),
        ([b"for=1.2.3.4;ext=1;;proto=http"], [Hop("1.2.3.4", None, "http")]),
        ([b""], []),
    ],
)
def test_forwarded_is_read_as_the_rfc_says(values: list[bytes], hops: list[Hop]) -> None:
    """Quoted strings, brackets, several headers, names in any letters, extensions passed over."""
    assert parse_forwarded(values) == hops


@pytest.mark.parametrize(
    "broken",
    [
        b"for = 1.2.3.4",
        b"for=1.2.3.4 proto=http",
        b"for=2001:db8::1",
        b'for="1.2.3.4',
        b'for="1.2.3.4"x',
        b"for=1.2.3.4;for=5.6.7.8",
        b"for",
        b"=1.2.3.4",
        b"for=",
        b"for=(1.2.3.4)",
        b"for=1.2.3.4;" + b"a=b;" * LIMIT,
    ],
)
def test_what_breaks_the_grammar_is_not_guessed_at(broken: bytes) -> None:
    """A value that cannot be read says nothing, whatever it looks like."""
    assert all(hop.address is None for hop in parse_forwarded([broken]))


@pytest.mark.parametrize(
    "sent", [b'for="', b'for=9.9.9.9;by="', b'"', b"for=\\", b'for="\\', b"for=a b", b"for=9.9.9.9;for=8.8.8.8"]
)
def test_nobody_hides_by_breaking_what_a_proxy_appends_to(sent: bytes) -> None:
    """The proxy's own element is read although what stands before it is broken; nothing before it counts."""
    for own in (b"for=1.2.3.4", b'for=1.2.3.4;host="shop.test";proto=https', b'for="[2001:db8::1]"'):
        hops = parse_forwarded([sent + b", " + own])
        assert hops[-1] == parse_forwarded([own])[0]
        assert hops[-2] == UNREADABLE
        assert hops[-2:] == parse_forwarded([sent, own])[-2:]


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=200).map(lambda text: text.encode("latin-1"))))
def test_no_bytes_break_the_parser(values: list[bytes]) -> None:
    """Whatever is sent becomes hops, each with an address or none."""
    for hop in [*parse_forwarded(values), *parse_addresses(values)]:
        assert hop.address is None or ipaddress.ip_address(hop.address)


def test_a_head_full_of_hops_costs_little() -> None:
    """64 KiB of the worst is read in a few milliseconds, and only its end."""
    began = time.perf_counter()
    for worst in (b"for=1.2.3.4," * 5_000, b'"' * 60_000, b"for=a;" * 10_000, b'for="' + b"\\a" * 30_000):
        parse_forwarded([worst])
        parse_forwarded([worst[:4_000]] * 16)
        assert len(parse_addresses([worst])) <= MAX_HOPS
    assert len(parse_addresses([b"1.2.3.4," * 8_000])) == MAX_HOPS
    assert time.perf_counter() - began < 5


def who(*headers: tuple[bytes, bytes], address: str = PROXY, first: Telling = "x-forwarded-for") -> Peer:
    sent: Headers = headers
    return identify(address, "http", sent, Trust(TRUSTED, first))


XFF, XFP, XFH, FWD = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded"


@pytest.mark.parametrize(
    ("headers", "client_ip", "scheme", "host"),
    [
        ([], PROXY, "http", None),
        ([(XFF, b"9.9.9.9")], "9.9.9.9", "http", None),
        ([(XFF, b"1.1.1.1, 9.9.9.9")], "9.9.9.9", "http", None),
        ([(XFF, b"1.1.1.1"), (XFF, b"9.9.9.9, 10.0.0.2")], "9.9.9.9", "http", None),
        ([(XFF, b"10.0.0.3, 10.0.0.2")], "10.0.0.3", "http", None),
        ([(XFF, b"9.9.9.9, garbage, 10.0.0.2")], "10.0.0.2", "http", None),
        ([(XFF, b"9.9.9.9:1234")], "9.9.9.9", "http", None),
        ([(XFF, b"[2001:DB8::1]:80")], "2001:db8::1", "http", None),
        ([(XFF, b"::ffff:9.9.9.9, fd00::1")], "9.9.9.9", "http", None),
        ([(XFF, b"")], PROXY, "http", None),
        ([(XFF, b"9.9.9.9"), (XFP, b"https"), (XFH, b"shop.test")], "9.9.9.9", "https", "shop.test"),
        ([(XFP, b"HTTPS")], PROXY, "https", None),
        ([(XFP, b"wss")], PROXY, "https", None),
        ([(XFP, b"javascript")], PROXY, "http", None),
        ([(XFF, b"9.9.9.9"), (XFP, b"https, http")], "9.9.9.9", "http", None),
        ([(XFF, b"9.9.9.9, 10.0.0.2"), (XFP, b"https, http")], "9.9.9.9", "https", None),
        ([(XFF, b"9.9.9.9, 10.0.0.2"), (XFH, b"evil.test, shop.test, inner.test")], "9.9.9.9", "http", "shop.test"),
        ([(XFH, b"shop.test/evil")], PROXY, "http", None),
        ([(FWD, b"for=9.9.9.9;proto=https;host=shop.test")], "9.9.9.9", "https", "shop.test"),
        ([(FWD, b"for=1.1.1.1;proto=https, for=9.9.9.9;proto=http, for=10.0.0.2")], "9.9.9.9", "http", None),
        ([(FWD, b"for=unknown;proto=https;host=shop.test")], PROXY, "https", "shop.test"),
        ([(FWD, b"for=1.1.1.1, for=_hidden;proto=https, for=10.0.0.2")], "10.0.0.2", "https", None),
        ([(FWD, b'for="')], PROXY, "http", None),
        ([(FWD, b'for=9.9.9.9;host="a b"')], "9.9.9.9", "http", None),
    ],
)
def test_the_client_is_the_hop_nearest_to_us_that_is_not_trusted(
    headers: list[tuple[bytes, bytes]], client_ip: str, scheme: str, host: str | None
) -> None:
    """Address, scheme and host are what the trusted proxy that saw the client says, and nothing a client wrote."""
    peer = who(*headers)
    assert (peer.client_ip, peer.scheme, peer.host) == (client_ip, scheme, host)


def test_two_headers_that_disagree_are_not_mixed() -> None:
    """The header that the operator trusts counts, with its own scheme and host; the other one may be a client's."""
    both = [(XFF, b"9.9.9.9"), (XFP, b"http"), (FWD, b"for=8.8.8.8;proto=https;host=evil.test")]
    peer = who(*both)
    assert (peer.client_ip, peer.scheme, peer.host) == ("9.9.9.9", "http", None)
    peer = who(*both, first="forwarded")
    assert (peer.client_ip, peer.scheme, peer.host) == ("8.8.8.8", "https", "evil.test")
    assert who(both[0], both[1], first="forwarded").client_ip == "9.9.9.9"


def test_nobody_else_is_believed() -> None:
    """From an address outside the trusted networks the same headers say nothing."""
    peer = who((XFF, b"10.0.0.9"), (XFP, b"https"), (FWD, b"for=10.0.0.9;proto=https"), address="9.9.9.9")
    assert peer == Peer("9.9.9.9", trusted=False, client_ip="9.9.9.9", scheme="http")


def test_a_proxy_that_comes_over_ipv6_with_its_ipv4_address_is_the_same_proxy() -> None:
    """A listener on [::] sees ::ffff:10.0.0.1; the network 10.0.0.0/8 means it."""
    peer = who((XFF, b"9.9.9.9"), address="::ffff:10.0.0.1")
    assert (peer.address, peer.client_ip, peer.trusted) == (PROXY, "9.9.9.9", True)


async def test_legacy_hears_what_the_trusted_proxy_says() -> None:
    """Client, scheme and host of a `Forwarded` reach legacy in every header an app may read."""
    loopback = (ipaddress.ip_network("127.0.0.0/8"),)
    async with upstream(always(OK)) as legacy, gateway(legacy.url, trusted=loopback) as served:
        await ask(served.port, get("/", 'Forwarded: for="[2001:db8::1]:4711";proto=https;host=shop.example'))
    request = legacy.received[0]
    assert request.values(b"x-forwarded-proto") == [b"https"]
    assert request.values(b"x-forwarded-host") == [b"shop.example"]
    assert request.values(b"forwarded")[0].startswith(
        b'for="[2001:db8::1]:4711";proto=https;host=shop.example, for=127'
    )
