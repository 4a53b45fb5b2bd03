"""What legacy puts on the wire, byte by byte where it matters."""

import asyncio
import json
import re
import time

import httpx
import psycopg
import pytest

from .stack import Legacy

READ_ROUTES = ["/api/health", "/api/lots", "/api/traceability/MIX-BATCH-88", "/api/runs"]
ROUTES = [*READ_ROUTES, "/api/login", "/api/qc-decisions", "/api/runs/7"]


async def exchange(legacy: Legacy, request: bytes) -> tuple[bytes, bytes]:
    """Sends bytes on a connection of their own, reads until it closes, and splits head from body."""
    reader, writer = await asyncio.open_connection(*legacy.address)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


def get(target: str, *headers: str) -> bytes:
    lines = [f"GET {target} HTTP/1.1", "Host: legacy", "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def test_lots_answer_has_exactly_these_headers(client: httpx.AsyncClient) -> None:
    """Order and names of the headers, as Express, cors and Node write them."""
    response = await client.get("/api/lots")
    assert [name.decode() for name, _ in response.headers.raw] == [
        "X-Powered-By", "Access-Control-Allow-Origin", "Content-Type", "Content-Length",
        "ETag", "Date", "Connection", "Keep-Alive",
    ]  # fmt: skip
    assert response.headers["x-powered-by"] == "Express"
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert response.headers["connection"] == "keep-alive"
    assert response.headers["keep-alive"] == "timeout=5"
    assert re.fullmatch(r'W/"[0-9a-f]+-[A-Za-z0-9+/]{27}"', response.headers["etag"])


async def test_body_is_compact_json(legacy: Legacy) -> None:
    """Bytes of a 404: compact JSON, no newline at the end."""
    head, body = await exchange(legacy, get("/api/traceability/NOPE"))
    assert head.startswith(b"HTTP/1.1 404 Not Found\r\nX-Powered-By: Express\r\n")
    assert body == b'{"error":"Lot not found"}'


async def test_unknown_path_is_the_html_404(legacy: Legacy) -> None:
    """Express's own page, with the path it was asked for."""
    head, body = await exchange(legacy, get("/api/nope"))
    assert head.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert b"Content-Type: text/html; charset=utf-8\r\n" in head
    assert b"Content-Security-Policy: default-src 'none'\r\n" in head
    assert b"ETag" not in head
    assert b"<pre>Cannot GET /api/nope</pre>" in body


async def test_unknown_path_is_escaped_in_the_page(legacy: Legacy) -> None:
    """Markup in a path stays text."""
    _, body = await exchange(legacy, get("/api/<script>"))
    assert b"<pre>Cannot GET /api/%3Cscript%3E</pre>" in body


async def test_wrong_method_is_the_html_404(client: httpx.AsyncClient) -> None:
    """Express knows no 405."""
    response = await client.delete("/api/lots")
    assert response.status_code == 404
    assert "Cannot DELETE /api/lots" in response.text


async def test_malformed_json_is_the_html_400(client: httpx.AsyncClient) -> None:
    """A body that does not parse never reaches a route."""
    response = await client.post("/api/lots", content='{"lot_code": ', headers={"content-type": "application/json"})
    assert response.status_code == 400
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "SyntaxError" in response.text


async def test_undecodable_path_is_the_html_400(legacy: Legacy) -> None:
    """A bad percent sign in a parameter is Express's 400."""
    head, body = await exchange(legacy, get("/api/traceability/%zz"))
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"URIError: Failed to decode param" in body


@pytest.mark.parametrize(
    "target", ["/api/health/", "/API/Health", "/api/health?x=1", "/api//health", "/api/./health", "/api/%68ealth"]
)
async def test_paths_express_takes_for_health(legacy: Legacy, target: str) -> None:
    """Case and one trailing slash do not matter to Express; double slashes, dots and escapes do."""
    head, _ = await exchange(legacy, get(target))
    same = target in {"/api/health/", "/API/Health", "/api/health?x=1"}
    assert head.startswith(b"HTTP/1.1 200" if same else b"HTTP/1.1 404")


async def test_etag_answers_304_without_a_body(client: httpx.AsyncClient, legacy: Legacy) -> None:
    """If-None-Match with the ETag, weak or strong, saves the body."""
    etag = (await client.get("/api/runs")).headers["etag"]
    for given in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        head, body = await exchange(legacy, get("/api/runs", f"If-None-Match: {given}"))
        assert head.startswith(b"HTTP/1.1 304 Not Modified\r\n")
        assert f"ETag: {etag}\r\n".encode() in head
        assert b"Content-Length" not in head
        assert body == b""


async def test_no_cache_defeats_the_etag(client: httpx.AsyncClient) -> None:
    """A reload asks for the body whatever the ETag says."""
    etag = (await client.get("/api/runs")).headers["etag"]
    response = await client.get("/api/runs", headers={"if-none-match": etag, "cache-control": "no-cache"})
    assert response.status_code == 200


async def test_created_row_has_an_etag_too(client: httpx.AsyncClient) -> None:
    """Express tags every body it sends, a 201 as well."""
    response = await client.post("/api/lots", json={"lot_code": "WIRE-1"})
    assert response.status_code == 201
    assert response.headers["etag"].startswith('W/"')


@pytest.mark.parametrize("target", READ_ROUTES)
async def test_head_is_get_without_the_body(legacy: Legacy, target: str) -> None:
    """HEAD names the length of the body it does not send."""
    head, body = await exchange(legacy, get(target).replace(b"GET", b"HEAD", 1))
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert int(re.search(rb"Content-Length: (\d+)", head)[1]) > 0  # type: ignore[index]  # None fails as it should
    assert body == b""


@pytest.mark.parametrize("target", [*ROUTES, "/api/nope"])
async def test_options_is_answered_by_cors(client: httpx.AsyncClient, target: str) -> None:
    """The preflight is 204 on every path, known or not, and repeats the headers asked for."""
    response = await client.options(target, headers={"access-control-request-headers": "authorization,x-a"})
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-allow-methods"] == "GET,HEAD,PUT,PATCH,POST,DELETE"
    assert response.headers["access-control-allow-headers"] == "authorization,x-a"
    assert response.headers["vary"] == "Access-Control-Request-Headers"
    assert response.headers["content-length"] == "0"


async def test_body_of_100_kib_is_taken_and_one_byte_more_is_413(client: httpx.AsyncClient) -> None:
    """Express's limit is 102400 bytes."""
    frame = len(json.dumps({"lot_code": "WIRE-BIG", "metadata": {"n": ""}}))
    fits = json.dumps({"lot_code": "WIRE-BIG", "metadata": {"n": "x" * (102400 - frame)}})
    kind = {"content-type": "application/json"}
    assert len(fits) == 102400
    assert (await client.post("/api/lots", content=fits, headers=kind)).status_code == 201
    response = await client.post("/api/lots", content=fits + " ", headers=kind)
    assert response.status_code == 413
    assert "PayloadTooLargeError: request entity too large" in response.text


async def test_body_of_another_type_is_not_read(client: httpx.AsyncClient) -> None:
    """Without a JSON content type the body counts as {}."""
    response = await client.post("/api/lots", content='{"lot_code": "WIRE-2"}')
    assert (response.status_code, response.json()) == (500, {"error": 'syntax error at or near ")"'})


async def test_idle_connection_is_closed_soon_after_five_seconds(legacy: Legacy) -> None:
    """The connection serves again at once; Node promises 5 s of silence and grants one more (20.18)."""
    reader, writer = await asyncio.open_connection(*legacy.address)
    for _ in range(2):
        writer.write(b"HEAD /api/health HTTP/1.1\r\nHost: legacy\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\n" in head
    since = time.monotonic()
    assert await reader.read() == b""
    assert 4.5 < time.monotonic() - since < 12
    writer.close()
    await writer.wait_closed()


async def test_list_holds_at_most_100_lots(client: httpx.AsyncClient, database_url: str) -> None:
    """Of 120 newer lots the list shows the newest 100 and none of the seeds."""
    connection = await psycopg.AsyncConnection.connect(database_url)
    async with connection:
        await connection.execute(
            "INSERT INTO lots (lot_code, created_at)"
            " SELECT 'MANY-' || n, timestamptz '2030-01-01' + n * interval '1 second'"
            " FROM generate_series(1, 120) n"
        )
    lots = (await client.get("/api/lots")).json()
    assert [lot["lot_code"] for lot in lots] == [f"MANY-{n}" for n in range(120, 20, -1)]
