"""What kind of request an exchange was: the stratum it counts for. Pure, and bounded whatever the caller sends.

A label only: the role is read from a token whose signature nobody checked here, and opens nothing.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_plus

from gateway.message import Headers, Observation, OutboundRequest
from gateway.rollout.evidence import Stratum

MAX_BODY: Final = 64 * 1024  # bytes of a body whose keys are worth reading: this may run on the loop
MAX_TOKEN: Final = 16 * 1024
MAX_KEYS: Final = 32
_REMEMBERED: Final = 2_048  # bytes of what a stratum without a body is read from
UNREAD: Final = "?"  # a body that says it has keys and cannot be read
SOME: Final = "*"  # a key that is data, not a name
REFUSED: Final = "refused"  # the token, by legacy: what it claims of itself is no role
_UNAUTHENTICATED: Final = 401
UNKNOWN: Final = "unknown"  # a token that does not say its role

_NAME: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.\-\[\]]{0,63}")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}")
_ROLE: Final = re.compile(r"[A-Za-z0-9_.:@/-]{1,64}")
_METHOD: Final = re.compile(r"[A-Z-]{1,20}")


def stratum_of(request: OutboundRequest, legacy: Observation, target: bytes | None = None) -> Stratum:
    """The stratum of a request by what was asked and the class of legacy's status (0: it did not answer).

    `target` is the client's own, where the request holds another one.
    """
    _, _, query = (request.target if target is None else target).partition(b"?")
    body = request.body if isinstance(request.body, bytes) else b""
    first = dict(reversed(request.headers))  # of each name
    content_type, credentials = first.get(b"content-type", b""), first.get(b"authorization", b"")
    short = not body and len(query) + len(content_type) + len(credentials) <= _REMEMBERED
    return (_known if short else _read)(request.method, legacy.status, query, body, content_type, credentials)


def _read(
    method: str, status: int | None, query: bytes, body: bytes, content_type: bytes, credentials: bytes
) -> Stratum:
    media, token = _media_type_in(content_type) if content_type else "", _token_in(credentials)
    role = _role_of(token) if token else ""
    return Stratum(
        method=method if _METHOD.fullmatch(method) else SOME,
        status_class=(status or 0) // 100,
        query_keys=_named(_form_keys(query)),
        body_keys=_named(body_keys(body, media)),
        role=REFUSED if role and status == _UNAUTHENTICATED else role,
        content_type=media,
    )


_known: Final = lru_cache(maxsize=1_024)(_read)  # a caller asks the same more than once


def media_type(headers: Headers) -> str:
    """The media type of a request without its parameters, empty without one."""
    given = _header(headers, b"content-type")
    return _media_type_in(given) if given else ""


@lru_cache(maxsize=256)  # a route's requests have one or two of them
def _media_type_in(value: bytes) -> str:
    given = value.partition(b";")[0].strip().lower().decode("latin-1")
    return given if not given or _MEDIA_TYPE.fullmatch(given) else SOME


def body_keys(body: bytes, content_type: str) -> Iterable[str]:
    """The names at the top of a JSON object or a form; other bodies have none."""
    if not body:
        return ()
    if content_type == "application/x-www-form-urlencoded":
        return _form_keys(body)
    if content_type != "application/json" and not content_type.endswith("+json"):
        return ()
    if len(body) > MAX_BODY:
        return (UNREAD,)
    try:
        read = json.loads(body, parse_int=float)  # no number is of interest, and a long one would be slow
    except (ValueError, RecursionError):
        return (UNREAD,)
    if isinstance(read, list):
        return ("[]",)
    return read if isinstance(read, dict) else ()


def role_of(headers: Headers) -> str:
    """The role the caller's token claims, empty without a token."""
    token = bearer(headers)
    return _role_of(token) if token else ""


@lru_cache(maxsize=256)  # callers come more than once
def _role_of(token: bytes) -> str:
    return role_in(_claims(token))


def role_in(claims: Mapping[str, Any]) -> str:
    """The role that claims name: the application's own (Supabase, Keycloak, Auth0), before the general one."""
    metadata, realm = claims.get("app_metadata"), claims.get("realm_access")
    named = [
        metadata.get("role") if isinstance(metadata, dict) else None,
        *(realm.get("roles") or () if isinstance(realm, dict) and isinstance(realm.get("roles"), list) else ()),
        claims.get("user_role"),
        *(claims["roles"] if isinstance(claims.get("roles"), list) else ()),
        claims.get("role"),
        claims.get("scope"),
    ]
    return next((one for one in named if isinstance(one, str) and _ROLE.fullmatch(one)), UNKNOWN)


def bearer(headers: Headers) -> bytes:
    """The caller's token, empty without one."""
    return _token_in(_header(headers, b"authorization"))


def _token_in(credentials: bytes) -> bytes:
    scheme, _, token = credentials.partition(b" ")
    return token.strip() if scheme.lower() == b"bearer" else b""


def _claims(token: bytes) -> Mapping[str, Any]:
    parts = token.split(b".")
    if len(parts) != 3 or len(token) > MAX_TOKEN:
        return {}
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4)), parse_int=float)
    except (Base64Error, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _header(headers: Headers, wanted: bytes) -> bytes:
    return dict(reversed(headers)).get(wanted, b"")  # the first of this name


def _form_keys(text: bytes) -> Iterable[str]:
    if not text:
        return ()
    pieces = text[:MAX_BODY].decode("latin-1").split("&")[: 4 * MAX_KEYS]
    return [unquote_plus(piece.partition("=")[0]) for piece in pieces if piece]


def _named(keys: Iterable[str]) -> tuple[str, ...]:
    """The set of keys in order; keys that are data (ids, tokens, what nobody would call a field) are one."""
    if not keys:
        return ()
    found = sorted({key if _is_name(key) else SOME for key in keys})
    return tuple(found if len(found) <= MAX_KEYS else [*found[:MAX_KEYS], SOME])


@lru_cache(maxsize=1_024)
def _is_name(key: str) -> bool:
    return key in ("[]", UNREAD) or (_NAME.fullmatch(key) is not None and sum(map(str.isdigit, key)) < 4)
