"""Which headers matter to a client, and when two of one name say the same.

Left out on purpose: those that name the server or the moment (date, server, x-powered-by, etag), those of
the connection and the framing, and content-encoding, because bodies are compared decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

from gateway.diff.cookies import cookies, moment_of, same_cookies, shown
from gateway.diff.media import media_type, parameters
from gateway.diff.rules import Difference
from gateway.diff.value import ABSENT
from gateway.diff.verdict import Kind
from gateway.message import Headers

MAX_LINES: Final = 200  # of one name; an HTTP head has fewer

_Lines = dict[str, list[str]]


def header_differences(control: Headers, candidate: Headers, *, more: frozenset[str]) -> Iterator[Difference]:
    """The headers that differ, by name: the compared ones and `more` (lower case)."""
    mine, theirs = _by_name(control, more), _by_name(candidate, more)
    for name in sorted(mine.keys() | theirs.keys()):
        one, other = mine.get(name), theirs.get(name)
        if one == other or (name == _DATE and name not in more):
            continue
        if name == "set-cookie":
            yield from _cookie_difference(mine, theirs)
        else:
            read = _READERS.get(name, _text)
            # a list with nothing in it says what no header says
            if (read(one) if one else None) != (read(other) if other else None):
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


def _cookie_difference(mine: _Lines, theirs: _Lines) -> Iterator[Difference]:
    """By name and attributes; an answer without a Date was made when the other was, a minute or so apart."""
    dates = [moment_of(next(iter(side.get(_DATE, ())), None)) for side in (mine, theirs)]
    one = cookies(mine.get("set-cookie", []), dates[0] or dates[1])
    other = cookies(theirs.get("set-cookie", []), dates[1] or dates[0])
    if not same_cookies(one, other):
        texts = [", ".join(map(shown, side)) if side else None for side in (one, other)]
        yield _difference("set-cookie", *texts)


def _text(lines: list[str]) -> str:
    return ", ".join(lines)


def _media(lines: list[str]) -> object:
    media = media_type(lines[0])
    return media.kind, media.charset


def _path(lines: list[str]) -> object:
    """Path, query and fragment: the two sides answer under names of their own."""
    try:
        parts = urlsplit(lines[0])
    except ValueError:
        return lines[0]
    return _escaped(parts.path or "/"), _escaped(parts.query), _escaped(parts.fragment)


def _escaped(text: str) -> str:
    """With each escape in one spelling; what would part a URL stays escaped (RFC 3986 section 6.2.2)."""
    return re.sub("(?:%[0-9A-Fa-f]{2})+", lambda found: quote(unquote_to_bytes(found[0]), safe=""), text)


def _tokens(lines: list[str]) -> object:
    """A list whose order and case mean nothing."""
    return frozenset(part.strip().lower() for part in _text(lines).split(",") if part.strip()) or None


def _directives(lines: list[str]) -> object:
    """Directives with values, whose order, case and spaces mean nothing."""
    parts = (part.partition("=") for part in re.split("[,;]", _text(lines)))
    return frozenset((name.strip().lower(), value.strip().lower()) for name, _, value in parts if name.strip()) or None


def _vary(lines: list[str]) -> object:
    """As a list, without what goes with the content coding, which is not compared either."""
    names = frozenset(part.strip().lower() for part in _text(lines).split(",")) - {"", "accept-encoding"}
    return names or None


def _disposition(lines: list[str]) -> object:
    """The disposition and its parameters, quoted or not."""
    kind = lines[0].partition(";")[0].strip().lower()
    return kind, frozenset((name.lower(), value.strip().strip('"')) for name, value in parameters(lines[0]))


def _policy(lines: list[str]) -> object:
    """Policies of directives in any order, each with its sources in any order, but for nonces."""
    policies = re.sub("'nonce-[^']*'", "'nonce'", _text(lines)).split(",")
    directives = ([part.split() for part in policy.split(";") if part.strip()] for policy in policies)
    return frozenset(frozenset((name.lower(), frozenset(of)) for name, *of in one) for one in directives if one) or None


def _links(lines: list[str]) -> object:
    """Each link by path and parameters (RFC 8288); what holds no link is a text."""
    found = re.findall(r"<([^<>]*)>([^<]*)", _text(lines))
    return (_text(lines) if not found else None), frozenset(
        (_path([target]), frozenset(re.split(r"[\s;,]+", rest.replace('"', "").lower())) - {""})
        for target, rest in found
    )


def _schemes(lines: list[str]) -> object:
    """The schemes of a challenge; realms and nonces are the server's own."""
    said = re.sub(r'"(?:[^"\\]|\\.)*"', '""', _text(lines))
    return frozenset(found.lower() for found in re.findall(r"(?:^|,)\s*([A-Za-z][\w-]*)(?=\s|,|$)", said))


def _there(lines: list[str]) -> object:
    """That the header is there: its value is the moment's."""
    return True


_DATE: Final = "date"  # read for what cookies say of their end, never compared

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
    "content-disposition": _disposition,
    "content-language": _tokens,
    "content-location": _path,
    "content-range": _text,
    "content-security-policy": _policy,
    "content-type": _media,
    "cross-origin-embedder-policy": _tokens,
    "cross-origin-opener-policy": _tokens,
    "cross-origin-resource-policy": _tokens,
    "link": _links,
    "location": _path,
    "permissions-policy": _tokens,
    "preference-applied": _tokens,
    "referrer-policy": _tokens,
    "retry-after": _there,
    "set-cookie": _text,
    "strict-transport-security": _directives,
    "tus-resumable": _text,
    "upload-length": _text,
    "upload-offset": _text,
    "vary": _vary,
    "www-authenticate": _schemes,
    "x-content-type-options": _tokens,
    "x-frame-options": _tokens,
    "x-next-page": _text,
    "x-page": _text,
    "x-per-page": _text,
    "x-prev-page": _text,
    "x-total": _text,
    "x-total-count": _text,
    "x-total-pages": _text,
}

COMPARED = frozenset(_READERS)
