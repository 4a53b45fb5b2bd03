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
_BLOCK: Final = re.compile(r"[|>][+-]?[ \t]*(?:\r?\n[ \t]+[^\r\n]*)+")  # of YAML
_QUOTE: Final = re.compile(r'\\*"')
_COLUMN: Final = re.compile(r"[\w.-]{1,60}")
_SEGMENT: Final = re.compile(r"[^/\s?#&;\"'<>]*")
# a long mix of letters and digits that no person made up: what follows a word like `reset` or `session` in a path
_RANDOM: Final = re.compile(r"(?=(?:[^0-9]*[0-9]){3})(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9_~.=-]{16,}")


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


def is_random(segment: str) -> bool:
    """Whether no person made up this segment of a path."""
    return _RANDOM.fullmatch(segment) is not None


def end_of_random(text: str, at: int) -> int:
    """Where the segment of a path that begins here ends, if nobody made it up."""
    found = _SEGMENT.match(text, at)
    return found.end() if found is not None and is_random(found[0]) else at


def line_end(text: str, at: int) -> int:
    """Where what stands behind `name:` ends: with its quotes, escaped as often as they are, else with the line."""
    opening = _QUOTE.match(text, at)
    if opening is None:
        block = _BLOCK.match(text, at)
        return end_of(_LINE_VALUE)(text, at) if block is None else block.end()
    closing = (found.end() for found in _QUOTE.finditer(text, opening.end()) if len(found[0]) <= len(opening[0]))
    return next(closing, len(text))


def within_quotes(mask: Mask, hidden: str) -> str:
    opening = _QUOTE.match(hidden)
    if opening is None:
        return mask(hidden)
    quote = opening[0]
    closing = quote if len(hidden) > len(quote) and hidden.endswith(quote) else ""
    return f"{quote}{mask(hidden[len(quote) :].removesuffix(quote))}{closing}"


def without_columns(text: str, secret: Callable[[str], bool], mask: Mask) -> str:
    """A table (CSV, TSV) without the columns of secret names; its first line has the names, of at least two columns."""
    head, newline, rows = text.partition("\n")
    delimiter = next((each for each in "\t;,|" if each in head), None)
    if delimiter is None or not newline:
        return text
    names = [name.strip().strip('"') for name in head.split(delimiter)]
    hidden = {at for at, name in enumerate(names) if secret(name)}
    if not hidden or not all(map(_COLUMN.fullmatch, names)):
        return text
    return "\n".join([head, *(_without_cells(row, delimiter, hidden, mask) for row in rows.split("\n"))])


def _without_cells(row: str, delimiter: str, hidden: set[int], mask: Mask) -> str:
    cells = row.split(delimiter)
    if '"' in row:  # a delimiter may stand within quotes
        return mask(row)
    return delimiter.join(mask(cell) if at in hidden and cell.strip() else cell for at, cell in enumerate(cells))


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
