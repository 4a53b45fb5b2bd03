"""Through the whole gateway: the route that is picked is the one Express picks for the same bytes, or 400."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
from pathlib import Path
from typing import Any, Final

from gateway.rollout.flag import Flag
from gateway.rollout.stage import Stage
from tests.gateway.proxy.harness import OK, always, gateway, route, upstream

ROOT: Final = Path(__file__).parents[3]
ORACLE: Final = ROOT / "tests/gateway/routing/express_oracle.cjs"
NUMBER: Final = 3_000
LEGACY: Final = -1
REFUSED: Final = -2

ROUTES: Final = [
    "GET /",
    "GET /api",
    "GET /api/lots",
    "POST /api/lots",
    "GET /api/runs/latest",
    "GET /api/runs/{id}",
    "PATCH /api/runs/{id}",
    "DELETE /api/runs/{id}",
    "GET /api/runs/{id}/lots/{lot}",
    "GET /api/a.b/{c}/end",
    "GET /api/{kind}/x/{id}",
    "OPTIONS /api/lots",
]
METHODS: Final = ("GET", "GET", "GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT")
BASES: Final = (
    "/",
    "/api",
    "/api/lots",
    "/api/runs/latest",
    "/api/runs/7",
    "/api/runs/7/lots/8",
    "/api/a.b/c/end",
    "/api/k/x/1",
)
PIECES: Final = (
    "/", "//", "/.", "/..", "/./", "/../", "%2e", "%2E%2e", "%2f", "%2F", "%252f", "%5c", "\\", ";", ";x", ";x=1",
    "?", "?a=b", "?a=/../x", "#", "#a", "#/../x", "@", "@evil", ":", ":80", "%", "%0", "%zz", "%00", "%20", "%0d%0a",
    "%c3%a9", "%e9", "%ff%fe", "%u0041", "+", "*", "~", "!", "$", "&", "'", "(", ")", ",", "=", "|", "^", "{", "}",
    "[", "]", "`", '"', "<", ">", "api", "API", "lots", "LOTS", "l%6fts", "runs", "x", ".json", "é", "\xa0", "\x7f",
    "\t", "http://shop.test/",
)  # fmt: skip
PREFIXES: Final = (
    "",
    "",
    "",
    "",
    "",
    "http://shop.test",
    "HTTP://Shop.Test",
    "http://shop.test:80",
    "http://evil.test",
    "//evil.test",
    "/.",
    "*",
    ".",
)


def targets(rng: random.Random) -> str:
    """A path of a route with some pieces put in, taken out or changed in case."""
    target = rng.choice(BASES)
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        at = rng.randint(1, len(target))
        kind = rng.random()
        if kind < 0.7:
            target = target[:at] + rng.choice(PIECES) + target[at:]
        elif kind < 0.85:
            target = target[:at] + target[at + 1 :]
        else:
            target = target[:at] + target[at:].swapcase()
    return rng.choice(PREFIXES) + target


def express_picks(requests: list[tuple[str, str]]) -> list[int]:
    """The number of the route Express picks for each, LEGACY where it picks none."""
    express_routes = [[method, path.replace("{", ":").replace("}", "")] for method, path in map(str.split, ROUTES)]
    answer = subprocess.run(
        [ROOT / ".venv/bin/node", ORACLE, ROOT / "legacy/node_modules/express"],
        input=json.dumps({"routes": express_routes, "requests": requests}).encode(),
        capture_output=True,
        check=True,
        timeout=60,
    )
    return [LEGACY if picked is None else picked for picked in json.loads(answer.stdout)]


async def new_side(scope: Any, receive: Any, send: Any) -> None:
    """Tells in a header which route led here; each leads to a path of its own."""
    if scope["type"] != "http":
        return
    number = scope["path"].rpartition("/")[2].encode()
    headers = [(b"x-route", number), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


class Asking:
    """A client that asks one thing after the other, on a new connection when the old one has ended."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def picked(self, method: str, target: str) -> int:
        if self._connection is None:
            self._connection = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._connection
        writer.write(f"{method} {target} HTTP/1.1\r\nHost: shop.test\r\n\r\n".encode("latin-1"))
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            if method != "HEAD" or head.startswith(b"HTTP/1.1 4"):
                await reader.read(length) if length else b""
        if b"connection: close" in head:
            self.close()
        if head.startswith(b"HTTP/1.1 400"):
            return REFUSED
        assert head.startswith(b"HTTP/1.1 200"), head
        return int(head.partition(b"x-route: ")[2].split(b"\r\n")[0]) if b"x-route: " in head else LEGACY

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection[1].close()
            self._connection = None


async def test_the_picked_route_is_the_one_express_picks_or_400() -> None:
    """Dots, escapes, slashes, case, fragments, absolute forms: no bytes lead to a route Express does not pick."""
    rng = random.Random(20_261_121)
    requests = [(rng.choice(METHODS), targets(rng)) for _ in range(NUMBER)]
    routes = [route(f"r{number}", text, new=f"/picked/{number}") for number, text in enumerate(ROUTES)]
    flags = [Flag(one.key, stage=Stage.NEW, sample=0) for one in routes]
    async with upstream(always(OK)) as legacy, gateway(legacy.url, routes=routes, flags=flags, new=new_side) as served:
        asking = Asking(served.port)
        picked = [await asking.picked(method, target) for method, target in requests]
        asking.close()
    wanted = express_picks(requests)
    wrong = [
        (method, target, ours, express)
        for (method, target), ours, express in zip(requests, picked, wanted, strict=True)
        if ours not in (express, REFUSED)
    ]
    assert wrong == []
    assert sum(ours == REFUSED for ours in picked) < NUMBER / 2
    assert sum(ours >= 0 for ours in picked) > NUMBER / 10
