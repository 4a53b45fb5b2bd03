"""JSON as both sides must write it: what `JSON.stringify` prints, except that integers stay exact.

Node reads every number into a double. Decimals are therefore printed as that double prints (`1.0` is
`1`), while integers keep all their digits here: legacy rounds those above 2^53, and that is its bug.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import cast

import orjson
from pydantic_core import from_json

_BOM = b"\xef\xbb\xbf"
_INDEX = re.compile(r"(?:0|[1-9][0-9]{0,9})\Z")
_INDEX_LIMIT = 2**32 - 1  # ECMA-262, "array index": JavaScript lists such keys first, in numeric order
# what orjson would print differently: decimals, integers beyond 64 bits, keys that look like an index
_DELICATE = re.compile(r'[0-9]\.[0-9]|[0-9]{16}|"[0-9]{1,10}":')


class _Number(str):
    """The digits of a number, ready to be printed."""

    __slots__ = ()


def parse(raw: bytes) -> object:
    """Read a JSON text strictly: UTF-8, no NaN, no lone surrogates, integers exact. Raises ValueError."""
    return from_json(raw.removeprefix(_BOM), allow_inf_nan=False)


def dumps(value: object) -> bytes:
    """Render an answer."""
    return orjson.dumps(value)


def number(value: float) -> str:
    """Print a finite double as JavaScript does (ECMA-262, Number::toString)."""
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text, size = "".join(map(str, digits)), len(digits)
    point = size + cast(int, exponent)  # a letter only for NaN and infinity
    if size <= point <= 21:
        text += "0" * (point - size)
    elif 0 < point <= 21:
        text = f"{text[:point]}.{text[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{text}"
    else:
        fraction = f".{text[1:]}" if size > 1 else ""
        text = f"{text[0]}{fraction}e{point - 1:+d}"
    return f"-{text}" if sign else text


def document_text(value: object) -> str:
    """Write a parsed document for a jsonb column: decimals as JavaScript prints them, integers exact."""
    return _render(value)


def compact(jsonb: str) -> str:
    """PostgreSQL's text of a jsonb value as `JSON.stringify(JSON.parse(text))` would give it."""
    try:
        if _DELICATE.search(jsonb) is None:
            return orjson.dumps(orjson.loads(jsonb)).decode()
        return _render(json.loads(jsonb, parse_int=_Number, parse_float=_decimal))
    except (ValueError, TypeError, RecursionError):  # nested too deeply for a parser here: still JSON
        return jsonb


def _decimal(text: str) -> _Number:
    return _Number(number(float(text)))


def _render(value: object) -> str:
    match value:
        case _Number() as digits:
            return str(digits)
        case bool() | None | str():
            return orjson.dumps(value).decode()
        case float():
            return number(value)
        case dict():
            keys = sorted(value, key=_javascript_order)
            return "{" + ",".join(f"{orjson.dumps(key).decode()}:{_render(value[key])}" for key in keys) + "}"
        case list():
            return "[" + ",".join(map(_render, value)) + "]"
        case _:
            return str(value)  # an integer


def _javascript_order(key: str) -> tuple[int, int]:
    """Where JavaScript lists a key: those that look like an index first, the others as they came."""
    if _INDEX.match(key) and int(key) < _INDEX_LIMIT:
        return 0, int(key)
    return 1, 0
