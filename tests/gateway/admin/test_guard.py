"""Around the admin plane: whose name it answers to, what it never says, and how much it reads."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.admin import parse
from gateway.admin.guard import SAFE_HEADERS

from .conftest import Plane

FLAG = "/api/routes/lots.create/flag"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:9901",
        "127.8.8.8",
        "localhost:1",
        "LOCALHOST",
        "localhost.",
        "[::1]:9901",
        "admin.example:9",
    ],
)
async def test_own_names_are_answered(plane: Plane, host: str) -> None:
    """Loopback by any name, and the configured host, reach the plane."""
    assert (await plane.ask("GET", "/healthz", role="nobody", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "10.0.0.1",
        "0.0.0.0",
        "[::2]",
        "localhost:x",
        "2130706433",
        "admin.example.evil",
        "localhost, evil.example",
    ],
)
async def test_foreign_names_are_refused_before_anything_else(plane: Plane, host: str) -> None:
    """A name that only points here (DNS rebinding) is refused, whatever token comes with it."""
    answer = await plane.ask("PUT", FLAG, json={"stage": "shadow"}, headers={"host": host})
    assert (answer.status_code, answer.json()["error"]["code"]) == (421, "host_not_allowed")
    assert plane.live.plan.flags == {}


@pytest.mark.parametrize("path", ["/healthz", "/api/routes", "/nowhere", "/api/tokens"])
async def test_every_answer_has_the_safe_headers(plane: Plane, path: str) -> None:
    """Good or bad, no answer may be stored, sniffed, framed or read by another origin."""
    answer = await plane.ask("GET", path, role="viewer", headers={"origin": "https://evil.example"})
    assert {name: answer.headers[name] for name in SAFE_HEADERS} == SAFE_HEADERS
    assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_request_id_is_kept_or_made(plane: Plane) -> None:
    """A caller's sensible request id is kept; anything else is replaced by one of ours."""
    kept = await plane.ask("GET", "/nowhere", headers={"x-request-id": "abc-1.2_3"})
    assert kept.headers["x-request-id"] == kept.json()["error"]["request_id"] == "abc-1.2_3"
    for odd in ("", "a b", "<script>", "x" * 200):
        made = await plane.ask("GET", "/nowhere", headers={"x-request-id": odd})
        assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "not_found"),
        ("GET", "/api/routes/", 404, "not_found"),
        ("GET", "//evil.example/..", 404, "not_found"),
        ("POST", "/api/routes", 405, "method_not_allowed"),
        ("OPTIONS", "/api/routes", 405, "method_not_allowed"),
        ("DELETE", FLAG, 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there_is_said_in_json(plane: Plane, method: str, path: str, status: int, code: str) -> None:
    """Unknown paths and methods are errors of the usual shape, never a redirect."""
    answer = await plane.ask(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_bug_is_answered_without_a_word_of_it(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception nobody expected is 500 with a code and the request id; its text is only in the log."""

    def broken() -> None:
        raise RuntimeError("password=hunter2 in /etc/secret.py")

    monkeypatch.setattr(plane.service, "routes", broken)
    answer = await plane.ask("GET", "/api/routes")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert answer.json()["error"]["request_id"] == answer.headers["x-request-id"]
    assert "hunter2" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


async def test_large_body_is_not_read_to_its_end(plane: Plane) -> None:
    """A body past the cap is refused as soon as it is past it, also when no length was announced."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 8_192
            yield b" " * 8_192

    answer = await plane.ask("PUT", FLAG, content=endless(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert sent <= parse.BODY_BYTES + 2 * 8_192


async def test_body_that_never_ends_is_given_up(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller who stops in the middle of a body does not keep the plane busy."""
    monkeypatch.setattr(parse, "BODY_S", 0.05)

    async def stuck() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    answer = await plane.ask("PUT", FLAG, content=stuck(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (408, "body_timeout")


async def test_websocket_is_refused(plane: Plane) -> None:
    """There are no sockets here to be opened from a foreign page."""
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/api/routes", "headers": [(b"host", b"localhost")]}
    await plane.app(scope, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]
