"""Where in a text the value behind a name ends, and how it is taken out: in JSON, in lines, by a pattern. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Final

from gateway.shadow.secrets import Mask

End = Callable[[str, int], int]  # where in a text the value that begins there ends
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*\\?(?:"|$)|[^,}\]\s]+|')
_LINE_VALUE: Final = re.compile(r"[^\r\n\"<]*")
_QUOTE: Final = re.compile(r'\\*"')


def hide(text: str, names: re.Pattern[str], secret: Callable[[str], bool], end: End, mask: Mask) -> str:
    """The text with the values behind secret names replaced; behind other names it looks on at once."""
    pieces: list[str] = []
    at = 0
    while found := names.search(text, at):
        pieces.append(text[at : found.end()])
        at = found.end()
        if secret(found.group(1)):
            behind = end(text, at)
            if behind > at:
                pieces.append(mask(text[at:behind]))
            at = behind
    return "".join([*pieces, text[at:]])


def read_name(name: str) -> str:
    """A JSON name without its escapes."""
    if "\\" not in name:
        return name
    try:
        return str(json.loads(f'"{name}"', strict=False))
    except ValueError:
        return name


def end_of(value: re.Pattern[str]) -> End:
    def end(text: str, at: int) -> int:
        found = value.match(text, at)
        return at if found is None else found.end()

    return end


def line_end(text: str, at: int) -> int:
    """Where what stands behind `name:` ends: with its quotes, escaped as often as they are, else with the line."""
    opening = _QUOTE.match(text, at)
    if opening is None:
        return end_of(_LINE_VALUE)(text, at)
    closing = (found.end() for found in _QUOTE.finditer(text, opening.end()) if len(found[0]) <= len(opening[0]))
    return next(closing, len(text))


def within_quotes(mask: Mask, hidden: str) -> str:
    opening = _QUOTE.match(hidden)
    if opening is None:
        return mask(hidden)
    quote = opening[0]
    closing = quote if len(hidden) > len(quote) and hidden.endswith(quote) else ""
    return f"{quote}{mask(hidden[len(quote) :].removesuffix(quote))}{closing}"


def json_end(text: str, at: int) -> int:
    """Where the JSON value that begins here ends, or the text does: everything within it goes."""
    depth = 0
    while at < len(text):
        if text[at] in "[{":
            depth, at = depth + 1, at + 1
        elif text[at] in "]}":
            depth, at = depth - 1, at + 1
        elif text[at] in ",:" or text[at].isspace():
            at += 1
        else:
            at = end_of(_STRING)(text, at)
        if depth <= 0:
            return at
    return at
