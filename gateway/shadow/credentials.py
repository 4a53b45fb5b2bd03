"""What an exchange shows of its caller's secrets by their names: hidden wherever else an answer repeats it. Pure.

An answer may echo a token in a sentence or under a name of its own (`{"you": "..."}`), where nothing tells what it is.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

from gateway.message import Headers
from gateway.shadow.names import is_secret_in_query, unescaped
from gateway.shadow.values import read_name

MOST: Final = 100  # of one exchange; whoever sends more of them has made them up
BODY: Final = 64 * 1024  # bytes of a body that are looked through
_SHORTEST: Final = 6  # characters of what does not stand somewhere by chance
_UNNAMED: Final = 16  # the same of a cookie whose name says nothing: `en-US` is one
_MEMBER: Final = re.compile(r'"((?:[^"\\]|\\.){1,200})"\s*:\s*"((?:[^"\\]|\\.){1,500})"')

Secret = Callable[[str], bool]


def credentials_in(headers: Headers, target: bytes, body: bytes, secret: Secret) -> set[str]:
    """The secrets in a request: of its headers, cookies, query, and a body that is JSON or a form."""
    query = target.partition(b"?")[2].decode("latin-1")
    text = body[:BODY].decode("utf-8", "replace")
    found = chain(
        *(_in_header(name.lower(), value.decode("latin-1"), secret) for name, value in headers),
        _in_form(query, lambda name: is_secret_in_query(name) or secret(name)),
        _in_form(text, secret) if "=" in text[:1_000] and not text.startswith(("{", "[", "<")) else (),
        (read_name(value) for name, value in _MEMBER.findall(text) if secret(read_name(name))),
    )
    return {one for one, _ in zip(filter(_is_long, found), range(MOST), strict=False)}


def cookies_set_in(headers: Headers, secret: Secret) -> set[str]:
    """The values of the cookies that an answer sets."""
    pairs = (value.decode("latin-1").partition(";")[0] for name, value in headers if name.lower() == b"set-cookie")
    return {one for pair, _ in zip(pairs, range(MOST), strict=False) for one in _in_cookie(pair, secret)}


def _in_header(name: bytes, value: str, secret: Secret) -> Iterator[str]:
    if name in (b"authorization", b"proxy-authorization"):
        scheme, _, credentials = value.partition(" ")
        yield credentials or scheme
        if scheme.lower() == "basic":
            yield from _user_and_password(credentials)
    elif name == b"cookie":
        for pair in value.split(";"):
            yield from _in_cookie(pair, secret)
    elif len(value) >= _UNNAMED and "@" not in value and secret(name.decode("latin-1")):
        yield value  # a short one, or an address, may be the user's name (`x-auth-request-email`)


def _in_cookie(pair: str, secret: Secret) -> Iterator[str]:
    name, _, value = pair.strip().partition("=")
    shortest = _SHORTEST if secret(name) else _UNNAMED
    yield from (one for one in {value, unescaped(value)} if len(one) >= shortest)


def _user_and_password(credentials: str) -> Iterator[str]:
    try:
        yield b64decode(credentials + "==").decode("utf-8", "replace").partition(":")[2]
    except Error:
        return


def _in_form(text: str, secret: Secret) -> Iterator[str]:
    for part in text.split("&"):
        name, equals, value = part.partition("=")
        if equals and secret(name):
            yield from {value, unescaped(value)}


def _is_long(text: str) -> bool:
    return len(text) >= _SHORTEST
