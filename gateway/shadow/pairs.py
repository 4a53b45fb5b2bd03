"""Secrets that stand beside their names, `{"name": "password", "value": "..."}`, found in whole documents. Pure.

A place or a piece of a document does not show what stood beside it: what was found here is hidden wherever it turns up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

from gateway.diff.body import read_body
from gateway.diff.document import Document
from gateway.message import Observation, Side
from gateway.shadow.secrets import Mask

_NAMES: Final = frozenset(
    {"name", "key", "field", "header", "param", "parameter", "property", "attribute", "setting", "option", "variable"}
    | {"label", "id"}
)
_VALUES: Final = re.compile(r"(?:.*[_.-])?(?:values?|val|content|data|text|default|current|answer)", re.IGNORECASE)
# where neither stands in the bytes, nothing needs to be read
_NAMED: Final = re.compile(rb"\"(?:%b)\"\s*:\s*\"([^\"]{1,200})\"" % "|".join(_NAMES).encode(), re.IGNORECASE)
_LONG: Final = 8  # characters that do not stand somewhere by chance
MOST: Final = 200  # of one exchange: whoever has more of them hides all values that have a name beside them
VALUES: Final = frozenset({"value", "values", "val", "content", "data", "text", "default", "current", "answer"})

Secret = Callable[[str], bool]


def secrets_beside_names(answers: Iterable[Observation], request: bytes, secret: Secret) -> tuple[str, ...]:
    """The values that stand beside a secret name in both answers and in the request, as texts, the longest first.

    Where there are more of them than MOST it is one more.
    """
    documents = (*(_answer(answer, secret) for answer in answers), _request(request, secret))
    values = (value for one in documents if isinstance(one, Document) for value in _values(one.value, secret))
    found: set[str] = set()
    for value in values:
        found.add(value)
        if len(found) > MOST:
            break
    return tuple(sorted(found, key=len, reverse=True))


def without_known(text: str, known: Iterable[str], mask: Mask) -> str:
    """A text without what is known to be secret: as a JSON value, or wherever it is long enough to be no chance."""
    for one in known:
        if text == one:
            return mask(one)
        for quoted in {json.dumps(one), json.dumps(one, ensure_ascii=False)}:
            text = text.replace(quoted, f'"{mask(one)}"')
        if len(one) >= _LONG:
            text = text.replace(one, mask(one))
        elif one.replace(".", "").isdecimal():
            text = re.sub(rf"(?<=[:\s]){re.escape(one)}(?=[\s,}}\]]|$)", f'"{mask(one)}"', text)
    return _cut(text, known, mask) if text.endswith("…") else text


def _cut(text: str, known: Iterable[str], mask: Mask) -> str:
    """The same of a value in which the text was cut."""
    head, quote, tail = text[:-1].rpartition('"')
    begun = quote and tail and any(one.startswith(tail) for one in known)
    return f"{head}{quote}{mask(tail)}…" if begun else text


def _answer(answer: Observation, secret: Secret) -> object:
    compressed = any(name == b"content-encoding" for name, _ in answer.headers)
    return read_body(answer) if answer.body and (compressed or _may_have(answer.body, secret)) else None


def _may_have(body: bytes, secret: Secret) -> bool:
    """Whether a body has to be read; an escape in a name may hide it."""
    return any(b"\\" in name or secret(name.decode("utf-8", "replace")) for name in _NAMED.findall(body))


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
        elif isinstance(one, dict):
            waiting += one.values()
            names = (value for name, value in one.items() if name.lower() in _NAMES and isinstance(value, str))
            if any(len(name) <= 200 and secret(name) for name in names):
                yield from (text for name, value in one.items() if _VALUES.fullmatch(name) for text in _texts(value))


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
