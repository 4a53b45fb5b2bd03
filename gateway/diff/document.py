"""Reads JSON into values with exact numbers, and each value into the one text that equal values share.

Everything is bounded, and whatever cannot be read for certain is `Unreadable` with a reason, never a guess:
repeated keys, NaN, a cut document, a depth beyond us. It knows no other kind of body.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from typing import Final, NoReturn

import msgspec

from gateway.diff.coding import MAX_BODY
from gateway.diff.equality import canonical
from gateway.diff.value import Unreadable, Value

MAX_VALUES: Final = 500_000  # counted by commas and brackets before anything is built
MAX_DIGITS: Final = sys.int_info.default_max_str_digits  # of one number; Python reads no more of an integer
_SHORT: Final = 40  # characters of a number whose digits are all taken as they are
_INT_DIGITS: Final = 64  # an integral number written with an exponent becomes an integer up to so many digits
_MAX_EXPONENT: Final = 999_999
_EXACT: Final = Context(prec=MAX_DIGITS, Emax=10**9, Emin=-(10**9), traps=[Inexact, InvalidOperation, Overflow])


class _RefusedError(ValueError):
    """A document that Python would read and we do not; caught in `read_json`, never seen outside."""


class _NoJsonError(_RefusedError):
    """What no parser of JSON should take, and Python's does."""


@dataclass(frozen=True, slots=True)
class Document:
    """A value, and the text that every document with an equal value shares."""

    value: Value
    text: bytes = field(repr=False)

    @classmethod
    def of(cls, value: Value) -> Document:
        """The document of a value; RecursionError when it is nested too deeply."""
        return cls(value, canonical(value))


def read_json(body: bytes) -> Value | Unreadable:
    """The JSON value (RFC 8259) of UTF-8 bytes; each number has one form, whichever way it is spelled."""
    read = read_document(body)
    return read if isinstance(read, Unreadable) else read.value


def read_document(body: bytes) -> Document | Unreadable:
    """As `read_json`, with the text of the value."""
    trouble = too_large(body)
    if trouble is not None:
        return trouble
    body = body.removeprefix(b"\xef\xbb\xbf")
    try:
        document = Document.of(_FAST.decode(body))
        if _keeps_every_key(body, document):
            return document
    except (msgspec.DecodeError, ValueError, RecursionError):
        pass  # the other reader takes a little more, and knows the reason of what it refuses
    return _read_slowly(body)


def too_large(body: bytes) -> Unreadable | None:
    """Why JSON of this size is not read at all, found without building anything."""
    if len(body) > MAX_BODY:
        return Unreadable(f"the body is larger than {MAX_BODY} bytes")
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        return Unreadable(f"the body has more than {MAX_VALUES} values")
    return None


def _keeps_every_key(body: bytes, document: Document) -> bool:
    """Whether no object repeats a key: each key has a colon, and a key that was overwritten lost its own.

    Colons within texts are the same before and after, unless they were written as escapes.
    """
    escaped = b"\\u003a" in body or b"\\u003A" in body
    return not escaped and document.text.count(b":") == body.count(b":")


def _read_slowly(body: bytes) -> Document | Unreadable:
    try:
        return Document.of(_SLOW.decode(body.decode()))
    except UnicodeDecodeError:
        return Unreadable("the body is not UTF-8", broken=True)
    except _RefusedError as refused:
        return Unreadable(str(refused), broken=isinstance(refused, _NoJsonError))
    except RecursionError:
        return Unreadable("the body is nested too deeply")
    except json.JSONDecodeError as error:
        return Unreadable(f"the body is not JSON: {error.msg} at character {error.pos}", broken=True)


def _object(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RefusedError(f"the body repeats the key {key[:40]!a} in one object")
            seen.add(key)
    return found


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise _RefusedError(f"the body has a number of more than {MAX_DIGITS} digits")
    return int(text)


def _number(text: str) -> int | Decimal:
    """A number written with a point or an exponent: 1.0 and 1e0 become 1, and 2.50 becomes 2.5."""
    if len(text) < _SHORT and "e" not in text and "E" not in text:
        if text.endswith(".0"):
            return int(text[:-2])
        if text[-1] != "0":
            return Decimal(text)
    if len(text) > MAX_DIGITS:
        raise _RefusedError(f"the body has a number of more than {MAX_DIGITS} digits")
    try:
        number = _EXACT.create_decimal(text)
    except DecimalException:
        number = None
    if number is None or (number and abs(number.adjusted()) > _MAX_EXPONENT):
        raise _RefusedError("the body has a number whose exponent is out of bounds")
    number = number.normalize(_EXACT)
    exponent = number.as_tuple().exponent
    return int(number) if isinstance(exponent, int) and exponent >= 0 and number.adjusted() < _INT_DIGITS else number


def _constant(text: str) -> NoReturn:
    raise _NoJsonError(f"the body has {text}, which is not JSON")


_FAST: Final = msgspec.json.Decoder(float_hook=_number)
_SLOW: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
)
