"""Which headers matter to a client, and when two of one name say the same.

Left out on purpose: those that name the server or the moment (date, server, x-powered-by, etag), those of
the connection and the framing, and content-encoding, because bodies are compared decoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from gateway.diff.rules import Difference
from gateway.diff.value import ABSENT
from gateway.diff.verdict import Kind
from gateway.message import Headers

MAX_LINES = 200  # of one name; an HTTP head has fewer


def header_differences(control: Headers, candidate: Headers, *, more: frozenset[str]) -> Iterator[Difference]:
    """The headers that differ, by name: the compared ones and `more` (lower case)."""
    mine, theirs = _by_name(control), _by_name(candidate)
    for name in sorted(_READERS.keys() | more):
        read = _READERS.get(name, _text)
        one, other = mine.get(name), theirs.get(name)
        said_one = None if one is None else read(one)
        said_other = None if other is None else read(other)
        if said_one != said_other:
            show = _shown_cookies if name == "set-cookie" else _text
            yield Difference(
                Kind.HEADER,
                ("header", name),
                ABSENT if one is None else show(one),
                ABSENT if other is None else show(other),
            )


def _by_name(headers: Headers) -> dict[str, list[str]]:
    lines: dict[str, list[str]] = {}
    for name, value in headers:
        found = lines.setdefault(name.decode("latin-1").lower(), [])
        if len(found) < MAX_LINES:
            found.append(value.decode("latin-1").strip())
    return lines


def media_type(value: str) -> tuple[str, str]:
    """Media type and charset in lower case. JSON without a charset is UTF-8 (RFC 8259 section 8.1)."""
    kind, *parameters = (part.strip() for part in value.split(";"))
    kind = kind.lower()
    for parameter in parameters:
        name, _, charset = parameter.partition("=")
        if name.strip().lower() == "charset":
            return kind, charset.strip().strip('"').lower()
    return kind, "utf-8" if is_json(kind) else ""


def is_json(kind: str) -> bool:
    """Whether a media type is JSON (RFC 6839 section 3.1 for the suffix)."""
    return kind == "application/json" or kind.endswith("+json")


def _text(lines: list[str]) -> str:
    return ", ".join(lines)


def _media(lines: list[str]) -> object:
    return media_type(lines[0])


def _path(lines: list[str]) -> object:
    """Path and query: the two sides answer under names of their own."""
    try:
        parts = urlsplit(lines[0])
    except ValueError:
        return lines[0]
    return parts.path, parts.query


def _tokens(lines: list[str]) -> object:
    """A list whose order and case mean nothing; an empty one says what no header says."""
    return frozenset(part.strip().lower() for part in _text(lines).split(",") if part.strip())


def _links(lines: list[str]) -> object:
    """Each link by path and parameters (RFC 8288)."""
    found = re.findall(r"<([^<>]*)>([^<]*)", _text(lines))
    return frozenset((_path([target]), rest.strip(" ,;").replace(" ", "")) for target, rest in found)


def _schemes(lines: list[str]) -> object:
    """The schemes of a challenge; realms and nonces are the server's own."""
    return frozenset(found.lower() for found in re.findall(r"(?:^|,)\s*([A-Za-z][\w-]*)(?=\s|,|$)", _text(lines)))


def _there(lines: list[str]) -> object:
    """That the header is there: its value is the moment's."""
    return True


_VOLATILE = frozenset({"expires", "max-age"})  # their presence counts; when a cookie ends does not
_GONE = re.compile(r"0|-\d+|.*\b(1970|1969)\b.*", re.ASCII)


def _cookie(line: str) -> tuple[str, frozenset[tuple[str, str]]]:
    """A cookie's name and attributes (RFC 6265 section 4.1), and whether it is being deleted; no value."""
    first, *attributes = line.split(";")
    said: set[tuple[str, str]] = set()
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        name, value = name.strip().lower(), value.strip()
        if name in _VOLATILE:
            said.add(("ends", "at once" if _GONE.fullmatch(value) else "later"))
        elif name:
            said.add((name, value.lower() if name in ("samesite", "domain") else value))
    return first.partition("=")[0].strip(), frozenset(said)


def _cookies(lines: list[str]) -> object:
    return frozenset(_cookie(line) for line in lines)


def _shown_cookies(lines: list[str]) -> str:
    """What a report may show of cookies: a value may open somebody's session."""
    shown = [
        (name, sorted(f"{key}={value}" if value else key for key, value in said)) for name, said in map(_cookie, lines)
    ]
    return ", ".join("; ".join([name, *attributes]) for name, attributes in shown)


_Reader = Callable[[list[str]], object]

_READERS: Mapping[str, _Reader] = {
    "accept-ranges": _tokens,
    "access-control-allow-credentials": _text,
    "access-control-allow-headers": _tokens,
    "access-control-allow-methods": _tokens,
    "access-control-allow-origin": _text,
    "access-control-expose-headers": _tokens,
    "access-control-max-age": _text,
    "allow": _tokens,
    "cache-control": _tokens,
    "content-disposition": _text,
    "content-language": _tokens,
    "content-range": _text,
    "content-security-policy": _text,
    "content-type": _media,
    "link": _links,
    "location": _path,
    "retry-after": _there,
    "set-cookie": _cookies,
    "strict-transport-security": _tokens,
    "vary": _tokens,
    "www-authenticate": _schemes,
    "x-content-type-options": _tokens,
    "x-frame-options": _tokens,
}

COMPARED = frozenset(_READERS)
