"""What a rule's `as:` means: two different values that are equal once read as something. All pure and total."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from math import isfinite
from urllib.parse import urlsplit

from gateway.diff.document import read_json
from gateway.diff.equality import same
from gateway.diff.value import ABSENT, Found, Value
from gateway.diff.verdict import Kind


class Reading(StrEnum):
    """The words a rule may write after `as:`."""

    ANY = "any"
    NUMBER = "number"
    FLOAT64 = "float64"
    TIMESTAMP_MS = "timestamp_ms"
    TIMESTAMP_ANY = "timestamp_any"
    UUID = "uuid"
    URL_PATH = "url_path"
    JWT = "jwt"
    NULL_IS_MISSING = "null_is_missing"
    ERROR_ENVELOPE = "error_envelope"
    ERROR_TEXT = "error_text"
    UNORDERED = "unordered"


_VALUES = frozenset({Kind.TYPE, Kind.VALUE})

# the kinds a rule without `kind:` is about
DEFAULT_KINDS: Mapping[Reading, frozenset[Kind]] = {
    **dict.fromkeys(Reading, _VALUES),
    Reading.NULL_IS_MISSING: frozenset({Kind.MISSING, Kind.EXTRA}),
    Reading.UNORDERED: frozenset({Kind.ORDER}),
}


# readings of objects, which then are not compared field by field
WHOLE = frozenset({Reading.ERROR_ENVELOPE, Reading.ERROR_TEXT})

# readings of what a moment or a draw decides
FLEETING = frozenset({Reading.TIMESTAMP_ANY, Reading.UUID, Reading.JWT})


def agree(reading: Reading, control: Found, candidate: Found) -> bool:
    """Whether two values that differ are the same once read so; unreadable ones are not."""
    return _READERS[reading](control, candidate)


_NUMBER = re.compile(r"[-+]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][-+]?[0-9]{1,6})?", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|z|[-+]\d\d(?::?\d\d)?)?", re.ASCII)
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_MAX_JWT = 16_384
_FLEETING_CLAIMS = frozenset({"iat", "exp", "nbf", "jti", "session_id"})
_ERROR_WORDS = ("message", "error", "detail", "error_description", "msg", "title", "errors")


def _number(value: Found) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | Decimal):
        return Decimal(value)
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None


def _float64(value: Found) -> float | None:
    """The number as JavaScript keeps it: the nearest double."""
    number = _number(value)
    double = float("nan") if number is None else float(number)
    return double if isfinite(double) else None


def moment(value: Found) -> int | None:
    """Milliseconds since 1970, what is finer cut off, as a JavaScript Date does; None without a zone."""
    read = _timestamp(value)
    return read[0] if read is not None and read[1] else None


def _timestamp(value: Found) -> tuple[int, bool] | None:
    """Milliseconds since 1970, and whether a zone was named: a local time equals local times only."""
    found = _TIMESTAMP.fullmatch(value) if isinstance(value, str) and len(value) <= 64 else None
    if found is None:
        return None
    day, time, fraction, zone = found.groups()
    offset = "+00:00" if zone in ("Z", "z", None) else zone if len(zone) > 3 else zone + ":00"
    try:
        seconds = datetime.fromisoformat(f"{day}T{time}{offset}") - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return seconds // timedelta(milliseconds=1) + int((fraction or "0").ljust(3, "0")[:3]), zone is not None


def _uuid(value: Found) -> str | None:
    return value.lower() if isinstance(value, str) and _UUID.fullmatch(value) else None


def _url_path(value: Found) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return parts.path + ("?" + parts.query if parts.query else "")


def _error(value: Found) -> str | None:
    """The sentence in an error answer: a text, or the first text under a usual name, three levels deep."""
    for _ in range(4):
        if isinstance(value, str):
            return value.strip() or None
        if isinstance(value, list):
            value = value[0] if value else ABSENT
            continue
        if not isinstance(value, dict):
            return None
        value = next((value[word] for word in _ERROR_WORDS if word in value), ABSENT)
    return None


def _jwt(value: Found) -> Value:
    """The claims of a JWT but for those that differ from one login to the next; None when it is no JWT."""
    parts = value.split(".") if isinstance(value, str) and len(value) <= _MAX_JWT else []
    if len(parts) != 3 or not all(_BASE64URL.fullmatch(part) for part in parts):
        return None
    try:
        claims = read_json(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    if not isinstance(claims, dict):
        return None
    return {name: claim for name, claim in claims.items() if name not in _FLEETING_CLAIMS}


def _nothing(value: Found) -> bool:
    return value is None or value is ABSENT


def _alike(read: Callable[[Found], object]) -> Callable[[Found, Found], bool]:
    """Both can be read, and as the same."""

    def agree(control: Found, candidate: Found) -> bool:
        mine = read(control)
        return mine is not None and mine == read(candidate)

    return agree


def _readable(read: Callable[[Found], object]) -> Callable[[Found, Found], bool]:
    """Both can be read, whatever they say."""
    return lambda control, candidate: read(control) is not None and read(candidate) is not None


_READERS: Mapping[Reading, Callable[[Found, Found], bool]] = {
    Reading.ANY: lambda control, candidate: True,
    Reading.NUMBER: _alike(_number),
    Reading.FLOAT64: _alike(_float64),
    Reading.TIMESTAMP_MS: _alike(_timestamp),
    Reading.TIMESTAMP_ANY: _readable(_timestamp),
    Reading.UUID: _readable(_uuid),
    Reading.URL_PATH: _alike(_url_path),
    Reading.JWT: lambda control, candidate: _jwt(control) is not None and same(_jwt(control), _jwt(candidate)),
    Reading.NULL_IS_MISSING: lambda control, candidate: _nothing(control) and _nothing(candidate),
    Reading.ERROR_ENVELOPE: _readable(_error),
    Reading.ERROR_TEXT: _alike(_error),
    Reading.UNORDERED: lambda control, candidate: True,  # the walk has already compared without order
}
