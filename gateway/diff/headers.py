"""Which headers matter to a client, and when two of one name say the same.

Left out on purpose: those that name the server or the moment (date, server, x-powered-by, etag), those of
the connection and the framing, and content-encoding, because bodies are compared decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

from gateway.diff.cookies import cookies, same_cookies, shown
from gateway.diff.fields import challenges, disposition, links, path, policy
from gateway.diff.media import media_type
from gateway.diff.moments import Ahead, expiry, moment_of, wait
from gateway.diff.rules import Difference
from gateway.diff.value import ABSENT
from gateway.diff.verdict import Kind
from gateway.message import Headers

MAX_LINES: Final = 200  # of one name; an HTTP head has fewer

_Lines = dict[str, list[str]]
_Dates = tuple[datetime | None, datetime | None]


def header_differences(control: Headers, candidate: Headers, *, more: frozenset[str]) -> Iterator[Difference]:
    """The headers that differ, by name: the compared ones and `more` (lower case)."""
    mine, theirs = _by_name(control, more), _by_name(candidate, more)
    dates = _dates(mine, theirs)
    for name in sorted(mine.keys() | theirs.keys()):
        one, other = mine.get(name), theirs.get(name)
        if one == other or (name == _DATE and name not in more):
            continue
        if name == "set-cookie":
            yield from _cookie_difference(one or [], other or [], dates)
        elif not _say_the_same(name, one, other, dates):
            yield _difference(name, None if one is None else _text(one), None if other is None else _text(other))


def _by_name(headers: Headers, more: frozenset[str]) -> _Lines:
    lines: _Lines = {}
    for name, value in headers:
        known = _known(name)
        if known in _READERS or known in more or known == _DATE:
            found = lines.setdefault(known, [])
            if len(found) < MAX_LINES:
                found.append(value.decode("latin-1").strip())
    return lines


@lru_cache(512)
def _known(name: bytes) -> str:
    return name.decode("latin-1").lower()


def _difference(name: str, control: str | None, candidate: str | None) -> Difference:
    return Difference(
        Kind.HEADER,
        ("header", name),
        ABSENT if control is None else control,
        ABSENT if candidate is None else candidate,
    )


def _dates(mine: _Lines, theirs: _Lines) -> _Dates:
    """When each answer was made; one without a Date was made when the other was, a minute or so apart."""
    one, other = (moment_of(next(iter(side.get(_DATE, ())), None)) for side in (mine, theirs))
    return one or other, other or one


def _cookie_difference(mine: list[str], theirs: list[str], dates: _Dates) -> Iterator[Difference]:
    """By name and attributes."""
    one, other = cookies(mine, dates[0]), cookies(theirs, dates[1])
    if not same_cookies(one, other):
        yield _difference("set-cookie", *(", ".join(map(shown, side)) if side else None for side in (one, other)))


def _say_the_same(name: str, one: list[str] | None, other: list[str] | None, dates: _Dates) -> bool:
    if one and other and name in _AHEAD:
        mine, theirs = (_AHEAD[name](side[0], now) for side, now in zip((one, other), dates, strict=True))
        return mine.is_like(theirs) if isinstance(mine, Ahead) and isinstance(theirs, Ahead) else mine == theirs
    read = _READERS.get(name, _text)
    # a list with nothing in it says what no header says
    return (read(one) if one else None) == (read(other) if other else None)


def _text(lines: list[str]) -> str:
    return ", ".join(lines)


def _media(lines: list[str]) -> object:
    media = media_type(lines[0])
    return media.kind, media.charset


def _tokens(lines: list[str]) -> object:
    """A list whose order and case mean nothing."""
    return frozenset(part.strip().lower() for part in _text(lines).split(",") if part.strip()) or None


def _ordered(lines: list[str]) -> object:
    """A list whose order counts: of several policies the last one that a client knows is in force."""
    return [part.strip().lower() for part in _text(lines).split(",") if part.strip()]


def _directives(lines: list[str]) -> object:
    """Directives with values, whose order, case and spaces mean nothing."""
    parts = (part.partition("=") for part in re.split("[,;]", _text(lines)))
    return frozenset((name.strip().lower(), value.strip().lower()) for name, _, value in parts if name.strip()) or None


def _vary(lines: list[str]) -> object:
    """As a list, without what goes with the content coding, which is not compared either."""
    names = frozenset(part.strip().lower() for part in _text(lines).split(",")) - {"", "accept-encoding"}
    return names or None


_DATE: Final = "date"  # read for what others say of a moment, never compared
_AHEAD: Final[Mapping[str, Callable[[str, datetime | None], Ahead | str]]] = {"expires": expiry, "retry-after": wait}

_READERS: Final[Mapping[str, Callable[[list[str]], object]]] = {
    "accept-patch": _tokens,
    "accept-post": _tokens,
    "accept-ranges": _tokens,
    "access-control-allow-credentials": _text,
    "access-control-allow-headers": _tokens,
    "access-control-allow-methods": _tokens,
    "access-control-allow-origin": _text,
    "access-control-expose-headers": _tokens,
    "access-control-max-age": _text,
    "allow": _tokens,
    "cache-control": _directives,
    "clear-site-data": _tokens,
    "content-disposition": disposition,
    "content-language": _tokens,
    "content-location": path,
    "content-range": _text,
    "content-security-policy": policy,
    "content-security-policy-report-only": policy,
    "content-type": _media,
    "cross-origin-embedder-policy": _tokens,
    "cross-origin-opener-policy": _tokens,
    "cross-origin-resource-policy": _tokens,
    "deprecation": _text,
    "expires": _text,
    "link": links,
    "location": path,
    "permissions-policy": _tokens,
    "pragma": _tokens,
    "preference-applied": _tokens,
    "proxy-authenticate": challenges,
    "referrer-policy": _ordered,
    "refresh": _text,
    "retry-after": _text,
    "set-cookie": _text,
    "strict-transport-security": _directives,
    "sunset": _text,
    "timing-allow-origin": _tokens,
    "tus-extension": _tokens,
    "tus-max-size": _text,
    "tus-resumable": _text,
    "tus-version": _tokens,
    "upload-defer-length": _text,
    "upload-length": _text,
    "upload-metadata": _text,
    "upload-offset": _text,
    "vary": _vary,
    "www-authenticate": challenges,
    "x-content-type-options": _tokens,
    "x-frame-options": _tokens,
    "x-next-page": _text,
    "x-page": _text,
    "x-per-page": _text,
    "x-prev-page": _text,
    "x-robots-tag": _tokens,
    "x-total": _text,
    "x-total-count": _text,
    "x-total-pages": _text,
}

COMPARED = frozenset(_READERS)
