"""The values a body is read into, what kind each is, and a short text of one for people."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

Value = None | bool | int | Decimal | str | list["Value"] | dict[str, "Value"]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why something could not be read; `broken`: nobody can read it, and not only we do not."""

    reason: str
    broken: bool = False


class Absent(Enum):
    """No value at all, which is not null."""

    ABSENT = "absent"


ABSENT = Absent.ABSENT
Found = Value | Absent

MAX_SHOWN = 200  # characters of a value in a report

# control characters, what reorders text on a screen, and halves of surrogate pairs
_HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_QUOTED = json.JSONEncoder(ensure_ascii=False).encode


class Sort(Enum):
    """The six kinds of JSON value; true is no number, and 1 and 1.0 are the same kind."""

    NULL = "null"
    BOOLEAN = "boolean"
    NUMBER = "number"
    STRING = "string"
    ARRAY = "array"
    OBJECT = "object"


_SORTS: dict[type, Sort] = {
    type(None): Sort.NULL,
    bool: Sort.BOOLEAN,
    int: Sort.NUMBER,
    Decimal: Sort.NUMBER,
    str: Sort.STRING,
    list: Sort.ARRAY,
    dict: Sort.OBJECT,
}


def sort_of(value: Value) -> Sort:
    """Which of the six kinds a value is."""
    return _SORTS[type(value)]


def brief(value: Found) -> str | None:
    """The value as JSON text of at most 200 characters, None for no value; reads no more than it shows."""
    if isinstance(value, Absent):
        return None
    if not isinstance(value, list | dict):
        return cut(_scalar(value))
    pieces: list[str] = []
    length = 0
    for piece in _pieces(value):
        pieces.append(piece)
        length += len(piece)
        if length > MAX_SHOWN:
            break
    return cut("".join(pieces))


def cut(text: str, limit: int = MAX_SHOWN) -> str:
    """At most so many characters of a text, none of which can hurt a terminal, a table or an encoder."""
    shown = _HARMFUL.sub(lambda found: f"\\u{ord(found.group()):04x}", text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _pieces(value: Value) -> Iterator[str]:
    """JSON text in pieces, with a stack of its own: the depth is the document's, not Python's."""
    stack: list[Iterator[tuple[str, Value | Absent]]] = [iter([("", value)])]
    closers: list[str] = [""]
    while stack:
        prefix, item = next(stack[-1], ("", ABSENT))
        if isinstance(item, Absent):
            stack.pop()
            yield closers.pop()
            continue
        yield prefix
        if isinstance(item, list):
            yield "["
            stack.append((", " if at else "", inner) for at, inner in enumerate(item))
            closers.append("]")
        elif isinstance(item, dict):
            yield "{"
            stack.append(
                ((", " if at else "") + _string(key) + ": ", inner) for at, (key, inner) in enumerate(item.items())
            )
            closers.append("}")
        else:
            yield _scalar(item)


def _scalar(value: bool | int | Decimal | str | None) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Decimal) or type(value) is int:
        return str(value)
    return json.dumps(value)


def _string(text: str) -> str:
    return _QUOTED(text[: MAX_SHOWN + 1])
