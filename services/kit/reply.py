"""Makes the answer: bytes, and the headers that Express and cors() put on every answer.

A weak ETag of the body, 304 when the client has it already, no body for HEAD.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha1

from starlette.requests import Request
from starlette.responses import Response

from services.kit.errors import Refusal
from services.kit.json import dumps

ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_JSON = (b"content-type", b"application/json; charset=utf-8")
_NO_CACHE = re.compile(r"(?:^|,)\s*?no-cache\s*?(?:,|$)")  # npm fresh 0.5


class Reply(Response):
    """An answer whose status, header pairs and body are final."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status_code = status
        self.raw_headers = headers
        self.body = body
        self.background = None


def answer(request: Request, status: int, value: object) -> Reply:
    """Answer with a value as JSON."""
    body = dumps(value)
    tag = etag(body)
    if status == 200 and _is_fresh(request, tag):
        return Reply(304, [ANY_ORIGIN, (b"etag", tag.encode())], b"")
    headers = [ANY_ORIGIN, _JSON, (b"content-length", b"%d" % len(body)), (b"etag", tag.encode())]
    return Reply(status, headers, b"" if request.method == "HEAD" else body)


def refuse(request: Request, refusal: Refusal) -> Reply:
    """Answer with a refusal's sentence."""
    return answer(request, refusal.status, {"error": refusal.sentence})


def etag(body: bytes) -> str:
    """Express's weak entity tag: the length in hex and 27 characters of the SHA-1 (npm etag)."""
    digest = b64encode(sha1(body, usedforsecurity=False).digest()).decode()
    return f'W/"{len(body):x}-{digest[:27]}"'


def _is_fresh(request: Request, tag: str) -> bool:
    """Say whether the client's copy is still good, by the rules of npm fresh 0.5, which Express asks."""
    known = request.headers.get("if-none-match")
    if known is None or request.method not in ("GET", "HEAD"):
        return False
    if "if-modified-since" in request.headers:  # there is no Last-Modified to compare it with
        return False
    if _NO_CACHE.search(request.headers.get("cache-control", "")):
        return False
    strong = tag.removeprefix("W/")
    return known == "*" or any(shown.strip(" ") in (tag, strong) for shown in known.split(","))
