"""Where a side is: several origins, names, sockets' files, and certificates that are checked."""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.failure import Failure
from gateway.message import OutboundRequest, Response, Side
from gateway.relay.breaker import Rules
from gateway.telemetry import JsonLines
from gateway.upstream.http import HttpTransport
from gateway.upstream.reach import Reach, authority, own_url, trust
from tests.gateway.proxy.harness import OK, Upstream, always, ask, gateway, get, upstream
from tests.gateway.relay.places import HOSTS, Names, places
from tests.gateway.upstream.certificates import Authority

NAME = "legacy.test"


@asynccontextmanager
async def tls_upstream(context: ssl.SSLContext) -> AsyncIterator[tuple[Upstream, list[str | None]]]:
    """An upstream that speaks TLS, and the protocols that were agreed on (ALPN)."""
    this, agreed = Upstream(always(OK)), list[str | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        agreed.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        await this.serve(reader, writer)

    server = await asyncio.start_server(serve, HOSTS[0], 0, ssl=context)
    this.port = server.sockets[0].getsockname()[1]
    try:
        yield this, agreed
    finally:
        server.close()


async def asked(url: str, reach: Reach | None = None, times: int = 1) -> list[int | Failure]:
    """What comes of requests to a side, one after the other."""
    transport = HttpTransport(url, side=Side.LEGACY, connect_timeout_s=10, reach=reach)
    try:
        return [await _asked(transport) for _ in range(times)]
    finally:
        await transport.aclose()


async def _asked(transport: HttpTransport) -> int | Failure:
    answer = await transport.send(OutboundRequest("GET", b"/", (), None, "http", "::1"), timeout_s=10)
    if isinstance(answer, Response):
        await answer.close()
        return answer.status
    return answer


async def test_a_certificate_of_a_private_authority_is_trusted_where_it_is_named(tmp_path: Path) -> None:
    """HTTP/1.1 is agreed on, though the server would rather speak HTTP/2."""
    own = Authority(tmp_path)
    async with tls_upstream(own.server(NAME)) as (legacy, agreed):
        reach = Reach(ca=own.file, resolve=Names(HOSTS[0]))
        assert await asked(f"https://{NAME}:{legacy.port}", reach) == [200]
    assert agreed == ["http/1.1"]
    assert legacy.received[0].values(b"host") == [f"{NAME}:{legacy.port}".encode()]


async def test_a_certificate_for_an_address_is_checked_against_the_address(tmp_path: Path) -> None:
    """No name is needed for TLS."""
    own = Authority(tmp_path)
    async with tls_upstream(own.server(HOSTS[0])) as (legacy, _):
        assert await asked(f"https://{HOSTS[0]}:{legacy.port}", Reach(ca=own.file)) == [200]
        assert await asked(f"https://{NAME}:{legacy.port}", Reach(ca=own.file, resolve=Names(HOSTS[0]))) == [
            Failure.LEGACY_UNREACHABLE
        ]


@pytest.mark.parametrize(
    ("host", "days", "known", "code"),
    [
        ("other.test", 1, True, "tls_wrong_name"),
        (NAME, -1, True, "tls_expired"),
        (NAME, 1, False, "tls_unknown_ca"),
    ],
)
async def test_a_certificate_that_is_not_good_is_never_spoken_to(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, host: str, days: int, known: bool, code: str
) -> None:
    """Nothing is sent; the client is told 502 legacy_unreachable, the log why."""
    own = Authority(tmp_path)
    known_file = own.file if known else Authority(tmp_path, "stranger").file
    async with tls_upstream(own.server(host, days=days)) as (legacy, _):
        reach = Reach(ca=known_file, resolve=Names(HOSTS[0]))
        with caplog.at_level(logging.WARNING):
            assert await asked(f"https://{NAME}:{legacy.port}", reach) == [Failure.LEGACY_UNREACHABLE]
    assert legacy.received == []
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if record.name == "strangler"]
    told = [line for line in lines if line["event"] == "upstream_failing"]
    assert [line["code"] for line in told] == [code]
    assert told[0]["upstream"] == "legacy"


async def test_https_stays_https(caplog: pytest.LogCaptureFixture) -> None:
    """An origin that answers in plain is not asked in plain."""
    said = list[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said.append(await reader.read(65_536))
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, HOSTS[0], 0)
    url = f"https://{HOSTS[0]}:{server.sockets[0].getsockname()[1]}"
    with caplog.at_level(logging.WARNING):
        assert await asked(url) == [Failure.LEGACY_UNREACHABLE]
    server.close()
    assert len(said) == 1
    assert b"HTTP" not in said[0]
    assert [json.loads(JsonLines().format(record))["code"] for record in caplog.records] == ["tls"]


def test_certificates_and_names_are_always_checked() -> None:
    """By TLS 1.2 or newer."""
    context = trust(None)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


async def test_several_origins_are_one_side() -> None:
    """One that is down is passed over; requests of their own say the first one's host."""
    async with places(always(OK), always(OK)) as (down, up):
        down.stop()
        url = f"http://{down.host}:{down.port},http://{up.host}:{up.port}"
        assert await asked(url, times=8) == [200] * 8
        assert up.received[0].values(b"host") == [f"{down.host}:{down.port}".encode()]


async def test_a_name_is_looked_up_by_the_system() -> None:
    """What /etc/hosts says of localhost leads to a legacy that listens on one of its addresses."""
    async with upstream(always(OK)) as legacy:
        assert await asked(f"http://localhost:{legacy.port}", times=3) == [200] * 3
    assert legacy.received[0].values(b"host") == [f"localhost:{legacy.port}".encode()]


async def test_when_every_address_has_failed_the_side_is_unavailable(free_port: int) -> None:
    """The breaker's failure has a code of its own."""
    reach = Reach(breaker=Rules(misses=2, open_s=60))
    got = await asked(f"http://{HOSTS[0]}:{free_port},http://{HOSTS[1]}:{free_port}", reach, times=4)
    assert got == [Failure.LEGACY_UNREACHABLE] * 2 + [Failure.LEGACY_UNAVAILABLE] * 2


async def test_a_side_behind_a_sockets_file_is_a_side(tmp_path: Path) -> None:
    """End to end: the client's own Host travels on, and a request without one says localhost."""
    path = tmp_path / "legacy.sock"
    legacy = Upstream(always(OK))
    server = await asyncio.start_unix_server(legacy.serve, path)
    async with gateway(f"unix:{path}") as served:
        assert [(await ask(served.port, get("/a%2Fb?x"))).body for _ in range(3)] == [b"ok"] * 3
    assert await asked(f"unix:{path}") == [200]
    server.close()
    assert [request.target for request in legacy.received[:3]] == [b"/a%2Fb?x"] * 3
    assert [legacy.received[n].values(b"host") for n in (0, 3)] == [[b"shop.test"], [b"localhost"]]


async def test_clients_of_an_unavailable_legacy_are_told_when_to_come_back(free_port: int) -> None:
    """503 with its code and Retry-After, after the refusals that opened the breaker."""
    async with gateway(f"http://127.0.0.1:{free_port}") as served:
        replies = [await ask(served.port, get("/")) for _ in range(7)]
    assert [reply.status for reply in replies] == [502] * 5 + [503] * 2
    assert json.loads(replies[-1].body)["code"] == "legacy_unavailable"
    assert replies[-1].values(b"retry-after") == [b"1"]


@pytest.mark.parametrize(
    ("setting", "url", "host"),
    [
        ("http://a:3001,http://b:3001", "http://a:3001", b"a:3001"),
        ("https://api.example.com", "https://api.example.com", b"api.example.com"),
        ("http://[::1]:3001", "http://[::1]:3001", b"[::1]:3001"),
        ("unix:/run/legacy.sock", "http://localhost", b"localhost"),
    ],
)
def test_a_side_has_one_name(setting: str, url: str, host: bytes) -> None:
    """Its first origin's, since a request's head is made before an address is chosen."""
    assert (own_url(setting), authority(setting)) == (url, host)
