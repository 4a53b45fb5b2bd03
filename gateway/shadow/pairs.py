"""Secrets that stand beside their names, `{"name": "password", "value": "..."}`, found in whole documents. Pure.

A place or a piece of a document does not show what stood beside it: what was found here is hidden wherever it turns up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import chain
from typing import Any, Final

from gateway.diff.body import read_body
from gateway.diff.document import Document
from gateway.message import Observation, Side
from gateway.shadow.secrets import Mask

_NAMES: Final = frozenset(
    {"name", "key", "field", "header", "param", "parameter", "property", "attribute", "setting", "option", "variable"}
    | {"label", "id", "type", "kind", "column", "attr", "k"}
)
_VALUES: Final = re.compile(r".*values?|(?:.*[_.-])?(?:val|content|data|text|default|current|answer)|v", re.IGNORECASE)
# where neither stands in the bytes, nothing needs to be read
_FIRST: Final = "".join({name[0] for name in _NAMES}).encode()  # looked at before any name is: most have another
_NAMED: Final = re.compile(
    rb"\"(?=[%b])(?:%b)\"\s*:\s*\"([^\"]{1,200})\"" % (_FIRST, "|".join(_NAMES).encode()), re.IGNORECASE
)
# `["password", "..."]`, and the place of what was wrong in a request: `"loc": ["body", "password"]` (pydantic), or what
# is to be changed: `"path": "/password"` (JSON Patch); three patterns find them in half the time that one takes
_LISTED: Final = (
    re.compile(rb"[\[,]\s*\"([^\"]{1,200})\"\s*(?=[,\]])"),
    re.compile(rb"\"loc\"\s*:\s*\[([^\]]{1,400})\]"),
    re.compile(rb"\"path\"\s*:\s*\"([^\"]{1,200})\""),
)
_COLUMNS: Final = frozenset({"columns", "fields", "header", "headers"})
_LONG: Final = 8  # characters that do not stand somewhere by chance
_BEGUN: Final = 4  # characters of one that is cut, by which its beginning is known
MOST: Final = 200  # of one exchange: whoever has more of them hides all values that have a name beside them
VALUES: Final = frozenset({"value", "values", "val", "content", "data", "text", "default", "current", "answer"})

Secret = Callable[[str], bool]


def secrets_beside_names(
    answers: Iterable[Observation], request: bytes, secret: Secret, rows: Iterable[Mapping[str, Any]] = ()
) -> tuple[str, ...]:
    """The values that stand beside a secret name in both answers, in the request and in rows, the longest first.

    Where there are more of them than MOST it is one more.
    """
    documents = (*(_answer(answer, secret) for answer in answers), _request(request, secret))
    values = (value for one in documents if isinstance(one, Document) for value in _values(one.value, secret))
    found: set[str] = set()
    for value in chain(_values(list(map(_by_last_words, rows)), secret), values):
        found.add(value)
        if len(found) > MOST:
            break
    return tuple(sorted(found, key=len, reverse=True))


def without_known(text: str, known: Iterable[str], mask: Mask) -> str:
    """A text without what is known to be secret: as a JSON value, or wherever it is long enough to be no chance.

    Most texts have none of it, and a document may have a hundred thousand of them: it is looked for first.
    """
    for one in known:
        if len(one) > len(text):
            continue
        if text == one:
            return mask(one)
        if one in text:
            text = _without(text, one, mask)
        elif one != (quoted := json.dumps(one)[1:-1]) and quoted in text:
            text = text.replace(f'"{quoted}"', f'"{mask(one)}"')
    return _cut(text, known, mask) if text.endswith("…") else text


def _without(text: str, one: str, mask: Mask) -> str:
    for quoted in {json.dumps(one), json.dumps(one, ensure_ascii=False)}:
        text = text.replace(quoted, f'"{mask(one)}"')
    if len(one) >= _LONG:
        return text.replace(one, mask(one))
    if one.replace(".", "").isdecimal():
        return re.sub(rf"(?<=[:\s]){re.escape(one)}(?=[\s,}}\]]|$)", f'"{mask(one)}"', text)
    return text


def _cut(text: str, known: Iterable[str], mask: Mask) -> str:
    """The same of a value in which the text was cut, in quotes or in a sentence."""
    head, quote, tail = text[:-1].rpartition('"')
    if quote and tail and any(one.startswith(tail) for one in known):
        return f"{head}{quote}{mask(tail)}…"
    whole = text[:-1]
    for one in known:
        if whole[-_BEGUN:] in one:
            longest = min(len(one), len(whole))
            begun = next((at for at in range(longest, _BEGUN - 1, -1) if whole.endswith(one[:at])), 0)
            if begun:
                return f"{whole[:-begun]}{mask(one[:begun])}…"
    return text


def _answer(answer: Observation, secret: Secret) -> object:
    compressed = any(name == b"content-encoding" for name, _ in answer.headers)
    return read_body(answer) if answer.body and (compressed or _may_have(answer.body, secret)) else None


def _may_have(body: bytes, secret: Secret) -> bool:
    """Whether a body has to be read; an escape in a name may hide it."""
    names = chain.from_iterable(pattern.findall(body) for pattern in (_NAMED, *_LISTED))
    return any(b"\\" in name or secret(name.decode("utf-8", "replace")) for name in names)


def _request(body: bytes, secret: Secret) -> object:
    if not _may_have(body, secret):
        return None
    return read_body(Observation(Side.LEGACY, 200, ((b"content-type", b"application/json"),), body, 0.0))


def _values(document: Any, secret: Secret) -> Iterator[str]:
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
            yield from (text for pair in one if _is_pair(pair, secret) for text in _texts(pair[1]))
        elif isinstance(one, dict):
            waiting += one.values()
            if any(len(name) <= 200 and secret(name) for name in _names(one)):
                yield from (text for name, value in one.items() if _VALUES.fullmatch(name) for text in _texts(value))
                if isinstance(one.get("input"), str):
                    yield one["input"]
            yield from _cells(one, secret)


def _by_last_words(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its columns named by their last words as well: `setting_key` is a key."""
    return {name.rpartition("_")[2]: value for name, value in row.items() if isinstance(value, str)} | dict(row)


def _is_pair(pair: Any, secret: Secret) -> bool:
    """Whether this is `["password", "..."]`, and not a list of two names."""
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(each, str) for each in pair):
        return False
    return len(pair[0]) <= 200 and secret(pair[0]) and not secret(pair[1][:200])


def _cells(one: dict[str, Any], secret: Secret) -> Iterator[str]:
    """What stands in the columns of secret names: `{"columns": ["id", "password"], "rows": [[1, "..."]]}`."""
    for name in _COLUMNS.intersection(one):
        columns = one[name] if isinstance(one[name], list) else ()
        named = [each.get("name") if isinstance(each, dict) else each for each in columns]
        hidden = [at for at, each in enumerate(named) if isinstance(each, str) and len(each) <= 200 and secret(each)]
        tables = (table for table in one.values() if hidden and isinstance(table, list))
        rows = (row for table in tables for row in table if isinstance(row, list) and len(row) == len(columns))
        yield from (text for row in rows for at in hidden for text in _texts(row[at]))


def _names(one: dict[str, Any]) -> Iterator[str]:
    """What an object says that it is about."""
    yield from (value for name, value in one.items() if name.lower() in _NAMES and isinstance(value, str))
    if "op" in one and isinstance(one.get("path"), str):
        yield one["path"]
    if isinstance(one.get("loc"), list):
        yield from (level for level in one["loc"] if isinstance(level, str))


def _texts(value: Any) -> Iterator[str]:
    """The texts and numbers of a value, whatever it is."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, str) and one:
            yield one
        elif isinstance(one, int | float | Decimal) and not isinstance(one, bool):
            yield str(one)
