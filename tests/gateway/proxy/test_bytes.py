"""What legacy receives and what the client receives is what the other end sent, byte for byte."""

import ipaddress

import pytest

from tests.gateway.proxy.harness import OK, always, ask, gateway, get, upstream

ADDED = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded", b"x-request-id", b"via"}


@pytest.mark.parametrize(
    "target",
    ["/a%2Fb/../c", "/?", "/a?", "/a?x=%20&&y=+", "//x/./y", "/a;b=c?d", "/%C3%A9?%", "/a//b/", "/a?b?c", "/a%00b"],
)
async def test_the_target_arrives_as_sent(target: str) -> None:
    """Neither path nor query is decoded, normalised or printed again."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        reply = await ask(served.port, get(target))
    assert reply.status == 200
    assert [request.target for request in legacy.received] == [target.encode()]


async def test_an_absolute_target_does_not_choose_the_backend() -> None:
    """Only the configured legacy is dialled; it gets the origin form."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        reply = await ask(served.port, b"GET http://shop.test/a?b=1 HTTP/1.1")
    assert reply.status == 200
    assert legacy.received[0].target == b"/a?b=1"


async def test_request_headers_keep_order_and_duplicates() -> None:
    """Headers reach legacy in the client's order; only the ones of the design are added, at the end."""
    head = get("/", "B: 2", "A: 1", "Cookie: x=1", "B: 3", "Accept: */*")
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        await ask(served.port, head)
    headers = legacy.received[0].headers
    own = [pair for pair in headers if pair[0] not in ADDED]
    assert own == [
        (b"b", b"2"),
        (b"a", b"1"),
        (b"cookie", b"x=1"),
        (b"b", b"3"),
        (b"accept", b"*/*"),
        (b"host", b"shop.test"),
    ]
    assert {name for name, _ in headers[len(own) :]} == ADDED


async def test_answer_headers_keep_order_and_duplicates() -> None:
    """Two Set-Cookie stay two, unknown headers stay, hop-by-hop ones go, only the named ones are added."""
    raw = (
        b'HTTP/1.1 200 OK\r\nX-Powered-By: Express\r\nSet-Cookie: a=1\r\nETag: W/"2-x"\r\nSet-Cookie: b=2\r\n'
        b"Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nDate: Sat, 21 Nov 2026 00:00:00 GMT\r\n"
        b"Content-Length: 2\r\n\r\nok"
    )
    async with upstream(always(raw)) as legacy, gateway(legacy.url) as served:
        reply = await ask(served.port, get("/", "X-Request-Id: abc-1"))
    assert reply.headers == [
        (b"X-Powered-By", b"Express"),
        (b"Set-Cookie", b"a=1"),
        (b"ETag", b'W/"2-x"'),
        (b"Set-Cookie", b"b=2"),
        (b"Date", b"Sat, 21 Nov 2026 00:00:00 GMT"),
        (b"Content-Length", b"2"),
        (b"x-request-id", b"abc-1"),
        (b"x-strangler-side", b"legacy"),
        (b"connection", b"close"),
    ]
    assert reply.body == b"ok"


async def test_a_side_cannot_say_who_answered() -> None:
    """The gateway's own header comes from the gateway alone."""
    raw = b"HTTP/1.1 200 OK\r\nX-Strangler-Side: new\r\nContent-Length: 2\r\n\r\nok"
    async with upstream(always(raw)) as legacy, gateway(legacy.url) as served:
        reply = await ask(served.port, get("/"))
    assert reply.values(b"x-strangler-side") == [b"legacy"]


async def test_hop_by_hop_headers_of_the_client_stay_here() -> None:
    """Connection, what it names, TE, Upgrade and the like are not legacy's business."""
    head = get(
        "/",
        "Connection: x-secret, x-forwarded-for, host",
        "X-Secret: 1",
        "TE: trailers",
        "Keep-Alive: 9",
        "Upgrade: h2c",
        "Proxy-Authorization: Basic x",
    )
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        await ask(served.port, head)
    names = [name for name, _ in legacy.received[0].headers]
    assert not {b"x-secret", b"te", b"keep-alive", b"upgrade", b"proxy-authorization"} & set(names)
    assert names.count(b"host") == 1
    assert legacy.received[0].values(b"x-forwarded-for") == [b"127.0.0.1"]


async def test_an_untrusted_client_cannot_say_who_it_is() -> None:
    """Forwarded headers under any spelling, and the gateway's own names, are replaced or removed."""
    head = get(
        "/",
        "X-Forwarded-For: 6.6.6.6",
        "X_Forwarded_For: 6.6.6.6",
        "Forwarded: for=6.6.6.6",
        "X-Real-IP: 6.6.6.6",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: /x",
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
        "X-Strangler-Shadow: 1",
        "X_Strangler_Override: new",
    )
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        await ask(served.port, head)
    request = legacy.received[0]
    assert b"6.6.6.6" not in request.head
    assert b"/admin" not in request.head
    assert b"trangler-" not in request.head.replace(b"strangler-test", b"")
    assert request.values(b"x-forwarded-for") == [b"127.0.0.1"]
    assert request.values(b"x-forwarded-proto") == [b"http"]
    assert request.values(b"x-forwarded-host") == [b"shop.test"]
    assert request.values(b"forwarded") == [b'for=127.0.0.1;host="shop.test";proto=http']


async def test_a_trusted_proxy_is_believed_and_added_to() -> None:
    """From a trusted network the chain goes on, with the proxy's own address at its end."""
    head = get("/", "X-Forwarded-For: 6.6.6.6, 10.0.0.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: shop.example")
    trusted = [ipaddress.ip_network("127.0.0.0/8")]
    async with upstream(always(OK)) as legacy, gateway(legacy.url, trusted=trusted) as served:
        await ask(served.port, head)
    request = legacy.received[0]
    assert request.values(b"x-forwarded-for") == [b"6.6.6.6, 10.0.0.7, 127.0.0.1"]
    assert request.values(b"x-forwarded-proto") == [b"https"]
    assert request.values(b"x-forwarded-host") == [b"shop.example"]


@pytest.mark.parametrize("body", [b"", b"x", b"\x00\xff" * 40_000])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_request_body_arrives_whole(body: bytes, chunked: bool) -> None:
    """Sized and chunked bodies keep their framing's kind and every byte."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        if chunked:
            frames = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:7], body[7:]) if part)
            await ask(served.port, b"POST /up HTTP/1.1\nTransfer-Encoding: chunked", frames + b"0\r\n\r\n")
        else:
            await ask(served.port, b"POST /up HTTP/1.1\nContent-Length: %d" % len(body), body)
    assert legacy.received[0].body == body
    assert legacy.received[0].values(b"content-length") == ([] if chunked else [b"%d" % len(body)])


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
async def test_a_body_on_any_method_travels(method: str) -> None:
    """A body is never dropped because of its method, and never becomes a second request."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        await ask(
            served.port,
            f"{method} / HTTP/1.1\nContent-Length: 31".encode(),
            b"GET /second HTTP/1.1\r\nHost: x\r\n\r\n"[:31],
        )
    assert len(legacy.received) == 1
    assert len(legacy.received[0].body) == 31


@pytest.mark.parametrize(
    ("raw", "status", "body"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b'HTTP/1.1 304 Not Modified\r\nETag: W/"1"\r\n\r\n', 304, b""),
        (b"HTTP/1.1 418 I'm a Teapot\r\nContent-Length: 3\r\n\r\ntea", 418, b"tea"),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\nboom", 500, b"boom"),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n", 301, b""),
    ],
)
async def test_the_status_is_legacys(raw: bytes, status: int, body: bytes) -> None:
    """Any status passes as it is; redirects are not followed."""
    async with upstream(always(raw)) as legacy, gateway(legacy.url) as served:
        reply = await ask(served.port, get("/"))
    assert (reply.status, reply.body) == (status, body)
    assert reply.head.startswith(raw[: raw.index(b"\r\n") + 2])
    assert len(legacy.received) == 1


async def test_early_hints_arrive_before_the_answer() -> None:
    """103 goes to the client as legacy sent it; 100 was for the gateway; a client of HTTP/1.0 gets neither."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    answer = b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok"
    async with upstream(always(hints + b"HTTP/1.1 100 Continue\r\n\r\n" + answer)) as legacy:
        async with gateway(legacy.url) as served:
            modern = await ask(served.port, get("/"))
            old = await ask(served.port, b"GET / HTTP/1.0")
    assert modern.raw.startswith(hints + b"HTTP/1.1 200 Fine\r\n")
    assert old.raw.startswith(b"HTTP/1.1 200 Fine\r\n")


async def test_trailers_come_after_the_body() -> None:
    """What legacy says behind its body reaches the client there, but for what would change the message."""
    raw = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n"
        b"2\r\nok\r\n0\r\nDigest: abc\r\nSet-Cookie: a=1\r\n\r\n"
    )
    async with upstream(always(raw)) as legacy, gateway(legacy.url) as served:
        reply = await ask(served.port, get("/"))
    assert reply.values(b"trailer") == [b"Digest"]
    assert reply.body == b"2\r\nok\r\n0\r\nDigest: abc\r\n\r\n"


async def test_head_keeps_its_length() -> None:
    """The answer to HEAD says how long GET's body would be, and has none."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"
    async with upstream(always(raw)) as legacy, gateway(legacy.url) as served:
        reply = await ask(served.port, b"HEAD / HTTP/1.1")
    assert reply.values(b"content-length") == [b"12345"]
    assert reply.body == b""


async def test_an_encoded_body_is_not_touched() -> None:
    """Compressed bytes stay as they came, with their header."""
    raw = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8bnot"
    async with upstream(always(raw)) as legacy, gateway(legacy.url) as served:
        reply = await ask(served.port, get("/"))
    assert reply.values(b"content-encoding") == [b"gzip"]
    assert reply.body == b"\x1f\x8bnot"


async def test_the_request_id_is_kept_or_made() -> None:
    """A sane id travels to legacy and back; anything else is replaced by a fresh one."""
    async with upstream(always(OK)) as legacy, gateway(legacy.url) as served:
        kept = await ask(served.port, get("/", "X-Request-Id: abc-1"))
        made = await ask(served.port, get("/", "X-Request-Id: a b{}"))
    assert kept.values(b"x-request-id") == [b"abc-1"]
    assert len(made.values(b"x-request-id")[0]) == 32
    assert [request.values(b"x-request-id") for request in legacy.received] == [
        [b"abc-1"],
        made.values(b"x-request-id"),
    ]


async def test_no_cookie_goes_from_one_caller_to_the_next() -> None:
    """Nothing a caller was set by legacy is sent for another one."""
    raw = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=secret; Path=/\r\nContent-Length: 2\r\n\r\nok"
    async with upstream(always(raw)) as legacy, gateway(legacy.url) as served:
        await ask(served.port, get("/"))
        await ask(served.port, get("/"))
    assert b"secret" not in b"".join(request.head for request in legacy.received)
