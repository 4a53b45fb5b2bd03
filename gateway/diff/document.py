"""Reads a body into a value: content coding undone, charset applied, JSON with exact numbers.

Everything is bounded, and whatever cannot be read for certain is `Unreadable` with a reason, never a guess:
repeated keys, NaN, a cut body, a coding or depth beyond us.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from gateway.diff.value import Value

MAX_BODY = 8 * 1024 * 1024  # bytes, after the content coding is undone
MAX_VALUES = 100_000  # counted by commas and brackets before anything is built
MAX_DIGITS = 1_000  # of one number
MAX_RATIO = 100  # decoded to encoded, from MAX_SMALL bytes on
MAX_SMALL = 1024 * 1024
_INT_DIGITS = 300  # longer integers become Decimals, whose digits cost linear time only

_MAX_EXPONENT = 999_999


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a body could not be read."""

    reason: str


class _RefusedError(ValueError):
    """A document that Python would read and we do not; caught in `read_json`, never seen outside."""


def decode(body: bytes, coding: str) -> bytes | Unreadable:
    """Undo a content coding (RFC 9110 section 8.4.1) under the caps of size and ratio."""
    for name in reversed([part.strip().lower() for part in coding.split(",") if part.strip()]):
        if name == "identity":
            continue
        if name not in ("gzip", "x-gzip", "deflate"):
            return Unreadable(f"content-encoding {name[:40]} is not read")
        inflated = _inflate(body, name)
        if isinstance(inflated, Unreadable):
            return inflated
        body = inflated
    return body if len(body) <= MAX_BODY else Unreadable(f"the body is larger than {MAX_BODY} bytes")


def _inflate(body: bytes, name: str) -> bytes | Unreadable:
    cap = min(MAX_BODY, max(MAX_SMALL, MAX_RATIO * len(body)))
    decoded = bytearray()
    rest = body
    try:
        while rest:
            stream = zlib.decompressobj(31 if name != "deflate" else _deflate_window(rest))
            decoded += stream.decompress(rest, cap + 1 - len(decoded))
            if len(decoded) > cap:
                return Unreadable(f"the {name} body grows past {cap} bytes")
            if not stream.eof:
                return Unreadable(f"the {name} body is cut short")
            rest = stream.unused_data
            if name == "deflate" and rest:
                return Unreadable("bytes follow the deflate body")
    except zlib.error:
        return Unreadable(f"the body is not {name}")
    return bytes(decoded)


def _deflate_window(body: bytes) -> int:
    """Zlib's wrapping as the standard says, or none as some servers send."""
    return 15 if len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0 else -15


def read_json(body: bytes) -> Value | Unreadable:
    """The JSON value (RFC 8259) of UTF-8 bytes; integers exact, other numbers as Decimal."""
    if len(body) > MAX_BODY:
        return Unreadable(f"the body is larger than {MAX_BODY} bytes")
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        return Unreadable(f"the body has more than {MAX_VALUES} values")
    try:
        value: Value = _DECODER.decode(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Unreadable("the body is not UTF-8")
    except _RefusedError as refused:
        return Unreadable(str(refused))
    except RecursionError:
        return Unreadable("the body is nested too deeply")
    except json.JSONDecodeError as error:
        return Unreadable(f"the body is not JSON: {error.msg} at character {error.pos}")
    return value


def _object(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RefusedError(f"the body repeats the key {key[:40]!a} in one object")
            seen.add(key)
    return found


def _integer(text: str) -> int | Decimal:
    return int(text) if len(text) <= _INT_DIGITS else _decimal(text)


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_DIGITS:
        raise _RefusedError(f"the body has a number of more than {MAX_DIGITS} digits")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise _RefusedError("the body has a number whose exponent is out of bounds") from None
    if number and abs(number.adjusted()) > _MAX_EXPONENT:
        raise _RefusedError("the body has a number whose exponent is out of bounds")
    return number


def _constant(text: str) -> NoReturn:
    raise _RefusedError(f"the body has {text}, which is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_decimal, parse_constant=_constant
)
