"""Whose request is it: the stickiness key of a request. Pure.

A JWT's subject is read without checking the signature: the key only chooses a bucket, it opens nothing,
and a forged one moves nobody but the forger. Whatever cannot be read counts as missing.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from typing import Final

from gateway.message import Request
from gateway.routing.route import Stickiness, StickinessKind

MAX_TOKEN: Final = 16 * 1024  # bytes; a longer bearer token is not worth decoding for a bucket


def stickiness_key(stickiness: Stickiness, request: Request) -> bytes | None:
    """The bytes that stand for the caller, or None when the request does not have them."""
    match stickiness.kind:
        case StickinessKind.CLIENT_IP:
            return request.client_ip.encode() or None
        case StickinessKind.HEADER:
            return request.header(stickiness.name) or None
        case StickinessKind.COOKIE:
            return _cookie(request, stickiness.name)
        case StickinessKind.JWT_SUB:
            return _subject(request.header(b"authorization"))


def _cookie(request: Request, wanted: bytes) -> bytes | None:
    for name, value in request.headers:
        if name != b"cookie":
            continue
        for pair in value.split(b";"):
            key, _, content = pair.strip().partition(b"=")
            if key == wanted and content:
                return content
    return None


def _subject(authorization: bytes | None) -> bytes | None:
    scheme, _, token = (authorization or b"").partition(b" ")
    parts = token.strip().split(b".")
    if scheme.lower() != b"bearer" or len(parts) != 3 or len(token) > MAX_TOKEN:
        return None
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4)))
    except (Base64Error, ValueError, RecursionError):
        return None
    subject = claims.get("sub") if isinstance(claims, dict) else None
    return subject.encode("utf-8", "surrogatepass") if isinstance(subject, str) and subject else None
