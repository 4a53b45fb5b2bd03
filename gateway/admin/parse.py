"""Reads what a request of the admin API says: body, If-Match, query. What is wrong comes back as the answer to it."""

from __future__ import annotations

import asyncio
import re
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from gateway.admin.answers import problem
from gateway.admin.schemas import reasons

BODY_BYTES = 64 * 1024
BODY_S = 10.0
LIMIT_MAX = 500

_ETAG = re.compile(r'"(\d{1,18})"|(\d{1,18})')
_NUMBER = re.compile(r"\d{1,18}")

Body = TypeVar("Body", bound=BaseModel)


async def read_body(request: Request, schema: type[Body], *, empty: bytes = b"") -> Body | Response:
    """The body as its schema, or the refusal; `empty` stands for a body that is not there."""
    content = await _bytes(request)
    if isinstance(content, Response):
        return content
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content and media != "application/json":
        return problem(415, "unsupported_media_type", "The body must be application/json.")
    try:
        return schema.model_validate_json(content or empty)
    except ValidationError as error:
        return problem(422, "invalid_body", "The body is not what this needs.", reasons=reasons(error))


async def _bytes(request: Request) -> bytes | Response:
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for piece in request.stream():
                content += piece
                if len(content) > BODY_BYTES:
                    return problem(413, "body_too_large", f"The body is larger than {BODY_BYTES} bytes.")
    except TimeoutError:
        return problem(408, "body_timeout", "The body did not arrive in time.")
    return bytes(content)


def expected_version(request: Request) -> int | Response | None:
    """The version If-Match names; None without one and for `*`, which means whatever is current."""
    given = request.headers.getlist("if-match")
    if not given or given == ["*"]:
        return None
    found = _ETAG.fullmatch(given[0].strip()) if len(given) == 1 else None
    if found is None:
        return problem(422, "bad_if_match", 'If-Match must be one version like "7", or *.')
    return int(found.group(1) or found.group(2))


def page(request: Request) -> tuple[int, int | None] | Response:
    """How many are wanted (`limit`), and before which id (`before`)."""
    limit, before = request.query_params.get("limit", "50"), request.query_params.get("before")
    if not _NUMBER.fullmatch(limit) or not 1 <= int(limit) <= LIMIT_MAX:
        return problem(422, "bad_query", f"limit must be a number from 1 to {LIMIT_MAX}.")
    if before is not None and not _NUMBER.fullmatch(before):
        return problem(422, "bad_query", "before must be the id of a change.")
    return int(limit), None if before is None else int(before)
