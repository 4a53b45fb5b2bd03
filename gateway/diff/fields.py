"""Reads headers that are more than a text: URLs, links, challenges, dispositions, policies. Pure.

Each reader takes the lines of one name and gives what two sides must say alike; which header has which reader it
does not know.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

from gateway.diff.media import parameters

_QUOTED: Final = r'"(?:[^"\\]|\\.)*"'
_LINK: Final = re.compile(r"<([^<>]*)>([^<]*)")
_LINK_PARAMETER: Final = re.compile(rf";\s*([^\s;=\",]+)\s*(?:=\s*({_QUOTED}|[^\s;\",]*))?")
_PIECE: Final = re.compile(rf'(?:{_QUOTED}|[^,"]|")+')  # of a list; a comma within quotes parts nothing
_CHALLENGE: Final = re.compile(
    rf"(?:(?P<scheme>[A-Za-z][\w!#$%&'*+.^`|~-]*)(?:\s+(?![\s=])|$))?"
    rf"(?:(?P<name>[^\s=\"]+)\s*=\s*(?P<value>{_QUOTED}|[^\s=\"]+))?"
)
_BY_LETTER: Final = frozenset({"title", "title*", "anchor"})
_DRAWN: Final = frozenset({"nonce", "opaque"})  # of a challenge: made anew for each
_URL: Final = re.compile("https?://", re.IGNORECASE)


def path(lines: list[str]) -> object:
    """Path, query and fragment: the two sides answer under names of their own."""
    try:
        parts = urlsplit(lines[0])
    except ValueError:
        return lines[0]
    return _escaped(parts.path or "/"), _escaped(parts.query), _escaped(parts.fragment)


def _escaped(text: str) -> str:
    """With each escape in one spelling; what would part a URL stays escaped (RFC 3986 section 6.2.2)."""
    ascii_only = re.sub("[\x80-\xff]", lambda found: f"%{ord(found[0]):02X}", text)  # as a client sends such bytes
    return re.sub("(?:%[0-9A-Fa-f]{2})+", lambda found: quote(unquote_to_bytes(found[0]), safe=""), ascii_only)


def links(lines: list[str]) -> object:
    """Each link by path and parameters (RFC 8288); what holds no link is a text."""
    text = ", ".join(lines)
    found = _LINK.findall(text)
    return (None if found else text), frozenset((path([target]), _of_link(rest)) for target, rest in found)


def _of_link(text: str) -> object:
    said = ((name.lower(), _plain(value)) for name, value in _LINK_PARAMETER.findall(text))
    return frozenset(
        (name, value if name in _BY_LETTER else frozenset(value.lower().split()) if name == "rel" else value.lower())
        for name, value in said
    )


def challenges(lines: list[str]) -> object:
    """Each challenge by its scheme and parameters (RFC 9110 section 11.6.1), but for what is made anew for each."""
    found: list[tuple[str, set[object]]] = []
    for piece in _PIECE.findall(", ".join(lines)):
        said = _CHALLENGE.match(piece.strip())
        if said is None:
            continue
        if said["scheme"] or not found:
            found.append(((said["scheme"] or "").lower(), set()))
        name = (said["name"] or "").lower()
        if name and name not in _DRAWN:
            value = _plain(said["value"])
            found[-1][1].add((name, path([value]) if _URL.match(value) else value))
    return frozenset((scheme, frozenset(said)) for scheme, said in found)


def _plain(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[:1] == '"' else value


def disposition(lines: list[str]) -> object:
    """The disposition and its parameters, quoted or not."""
    kind = lines[0].partition(";")[0].strip().lower()
    return kind, frozenset((name.lower(), value.strip().strip('"')) for name, value in parameters(lines[0]))


def policy(lines: list[str]) -> object:
    """Policies of directives in any order, each with its sources in any order, but for nonces."""
    policies = re.sub("'nonce-[^']*'", "'nonce'", ", ".join(lines)).split(",")
    directives = ([part.split() for part in policy.split(";") if part.strip()] for policy in policies)
    return frozenset(frozenset((name.lower(), frozenset(of)) for name, *of in one) for one in directives if one) or None
