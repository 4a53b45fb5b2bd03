"""Reads a request's JSON body as express.json() does: by media type, up to 100 kB, objects only.

A body of another media type is not looked at, so that the request has no fields.
"""

from __future__ import annotations

from email.message import Message

from starlette.requests import ClientDisconnect, Request

from services.kit import json
from services.kit.errors import (
    CLIENT_LEFT,
    MALFORMED_JSON,
    NOT_AN_OBJECT,
    TOO_LARGE,
    UNSUPPORTED_BODY,
    Refused,
)

LIMIT = 100 * 1024  # body-parser's default "100kb"


async def fields_of(request: Request) -> dict[str, object]:
    """The members of the JSON object in the body; none when there is no JSON body."""
    if not _is_json(request):
        return {}
    raw = await _read(request)
    if not raw:
        return {}
    try:
        value = json.parse(raw)
    except ValueError as error:
        raise Refused(MALFORMED_JSON) from error
    if isinstance(value, dict):
        return value
    # body-parser is strict: a bare string or number is malformed, a list is merely no use here
    raise Refused(NOT_AN_OBJECT if isinstance(value, list) else MALFORMED_JSON)


def _is_json(request: Request) -> bool:
    shown = request.headers.get("content-type")
    if shown is None:
        return False
    message = Message()
    message["content-type"] = shown
    if message.get_content_type() != "application/json":
        return False
    charset = message.get_content_charset("utf-8")
    encoding = request.headers.get("content-encoding", "identity").lower()
    if charset != "utf-8" or encoding != "identity":
        raise Refused(UNSUPPORTED_BODY)
    return True


async def _read(request: Request) -> bytes:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > LIMIT:
        raise Refused(TOO_LARGE)
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > LIMIT:
                raise Refused(TOO_LARGE)
            parts.append(part)
    except ClientDisconnect as error:
        raise Refused(CLIENT_LEFT) from error
    return b"".join(parts)
