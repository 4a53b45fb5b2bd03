"""Which names stand over a secret, and what looks like one wherever it stands. Pure.

Too much is taken rather than too little: what is hidden by mistake can be looked up at its source.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import pairwise
from typing import Final
from urllib.parse import unquote_plus

SHOWN: Final = "(hidden)"
Mask = Callable[[str], str]  # what stands for a secret

# a name is secret when one of its words is one of these
_WORDS: Final = re.compile(
    r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|jwt|o?auth|authorization|bearer|cookie|session|sid|credential"
    r"|sig(?:nature)?|pin|t?otp|cvv|cvc|[cx]srf|nonce|assertion|apikey)s?"
)
# or when it is written together, in one case, with one of these in it
_WITHIN: Final = re.compile(
    r"password|passwd|passphrase|secret|token|apikey|accesskey|privatekey|credential|authorization"
    r"|sessionid|(?<!s)sessid|auth(?:code|header|key|data)|otpcode"
)
# or when it is a key or code of a kind that opens something, unlike a key order or a lot code
_OPENS: Final = re.compile(
    r"(?:api|access|private|signing|encryption|service|anon|master|client|account|ssh) keys?"
    r"|(?:verification|reset|recovery|backup|confirmation|activation|security|login|mfa|sms|invite|magic) codes?"
)
_IN_QUERIES: Final = frozenset({"code", "key", "ticket", "samlresponse"})  # OAuth, Google, CAS, SAML
_LONGEST: Final = 128  # characters of a name that is remembered
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_JWT: Final = re.compile(r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,4}")  # one that starts also matches: linear
_BEARER: Final = re.compile(
    r"\b(bearer|digest|negotiate|apikey)(\s+|%20|\+)(?!realm=|[\w-]+=\\?\")([^\s,;\"'<>&]+)", re.IGNORECASE
)
_BASIC: Final = re.compile(r"\b(basic)(\s+|%20|\+)([A-Za-z0-9+/=_-]{4,4096})", re.IGNORECASE)
# keys whose issuers begin them alike, so that they are found where they should not be; ours is the first
_ISSUED: Final = re.compile(
    r"\b(?:sgw_|sb_secret_|gh[oprsu]_|github_pat_|glpat-|xox[abeprs]-|[rs]k_(?:live|test)_|npm_|pypi-|A[KS]IA|AIza)"
    r"[A-Za-z0-9_-]{16,}"
)
_USER: Final = re.compile(r"//([^\s/?#@\"'<>]{1,200})@")
_SHORTEST: Final = 8  # characters of what one of these is found in, but for the last


# what HTML keeps values in, named by another attribute, before it or behind
_TAG: Final = re.compile(r"<(?:input|meta)\b[^<>]*", re.IGNORECASE)
_NAMED: Final = re.compile(r"\b(?:name|id|type|property)=[\"']?([\w.:-]+)", re.IGNORECASE)
_VALUE: Final = re.compile(r"\b((?:value|content)=)(\"[^\"]*\"?|'[^']*'?|[^\s\"'>]+)", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether a field, header or parameter of this name holds a secret, whatever its spelling and escaping."""
    return _is_known_secret(name) if len(name) <= _LONGEST else _is_secret(name)


def _is_secret(name: str) -> bool:
    plain = unescaped(name)
    words = [word.lower() for word in _WORD.findall(plain)]
    return (
        any(map(_WORDS.fullmatch, words))
        or any(_OPENS.fullmatch(" ".join(two)) for two in pairwise(words))
        or _WITHIN.search(re.sub(r"[^a-z]", "", plain.lower())) is not None
    )


_is_known_secret: Final = lru_cache(maxsize=4_096)(_is_secret)  # a document names the same fields again and again


def is_secret_in_query(name: str) -> bool:
    """As `is_secret`, where `code` and `key` by themselves are credentials."""
    return is_secret(name) or unescaped(name).lower().rpartition("/")[2] in _IN_QUERIES


def unescaped(text: str) -> str:
    """A text without its percent-encoding, however many times it was applied, within reason."""
    for _ in range(3):
        plain = unquote_plus(text)
        if plain == text:
            break
        text = plain
    return text


def blank(_secret: str) -> str:
    """The mask that tells nothing, not even which secrets are equal: for logs."""
    return SHOWN


def without_credentials(text: str, mask: Mask = blank) -> str:
    """The text without what is a credential by its own form: JWTs, known keys, Authorization values, users in URLs."""
    if len(text) < _SHORTEST and "@" not in text:
        return text
    text = _ISSUED.sub(lambda found: mask(found.group()), text)
    text = _JWT.sub(lambda found: mask(found.group()), text)
    text = _BEARER.sub(lambda found: found.group(1) + found.group(2) + mask(found.group(3)), text)
    text = _BASIC.sub(partial(_basic, mask), text)
    return _USER.sub(lambda found: f"//{mask(found.group(1))}@", text)


def _basic(mask: Mask, found: re.Match[str]) -> str:
    """`Basic` before user and password in base64 (RFC 7617), and not before any other word."""
    scheme, space, credentials = found.groups()
    whole = credentials.rstrip("=")[: len(credentials) // 4 * 4]
    try:
        hide = len(credentials) >= 16 or b":" in b64decode(whole + "=" * (-len(whole) % 4), altchars=b"-_")
    except Error:
        hide = False
    return f"{scheme}{space}{mask(credentials)}" if hide else found.group()


def without_values_of_tags(text: str, secret: Callable[[str], bool], mask: Mask) -> str:
    """HTML without the values of its fields and metadata that are named like a secret (`csrf-token`)."""

    def shown(tag: re.Match[str]) -> str:
        if not any(secret(name) for name in _NAMED.findall(tag.group())):
            return tag.group()
        return _VALUE.sub(lambda found: f'{found.group(1)}"{mask(found.group(2))}"', tag.group())

    return _TAG.sub(shown, text)
