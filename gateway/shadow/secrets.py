"""What looks like a secret wherever it stands. Pure.

Too much is taken rather than too little: what is hidden by mistake can be looked up at its source.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Callable
from functools import partial
from typing import Final

SHOWN: Final = "(hidden)"
Mask = Callable[[str], str]  # what stands for a secret

_JWT: Final = re.compile(r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,4}")  # one that starts also matches: linear
_BEARER: Final = re.compile(
    r"\b(bearer|digest|negotiate|apikey)(\s+|%20|\+)(?![=:]|realm=|[\w-]+=\\?\")([^\s,;\"'<>&]+)", re.IGNORECASE
)
_BASIC: Final = re.compile(r"\b(basic)(\s+|%20|\+)([A-Za-z0-9+/=_-]{4,4096})", re.IGNORECASE)
# keys whose issuers begin them alike, so that they are found where they should not be; ours is the first
_ISSUED: Final = re.compile(
    r"\b(?:(?:sgw_|sb_secret_|sbp_|gh[oprsu]_|github_pat_|glpat-|xox[abeprs]-|xapp-|[rs]k_(?:live|test)_|npm_|pypi-"
    r"|A[KS]IA|AIza|ya29\.|GOCSPX-|SG\.|hvs\.|hf_|lin_api_|dop_v1_|shp(?:at|ca|pa|ss)_|sq0(?:atp|csp)-|whsec_|NRAK-"
    r"|AGE-SECRET-KEY-|sk-(?=[A-Za-z0-9_-]{0,40}[0-9]))[A-Za-z0-9_.-]{16,}"
    r"|(?:key-|dapi|SK)[0-9a-f]{32}|[0-9]{8,10}:AA[A-Za-z0-9_-]{30,}"
    r"|hooks\.slack\.com/[\w/]{20,}|discord(?:app)?\.com/api/webhooks/[\w/-]{20,})"
)
# what a password was made into, as it stands in a table of users
_HASHED: Final = re.compile(r"\$(?:2[abxy]|[156y]|scrypt|argon2(?:id|i|d)|pbkdf2[a-z0-9-]{0,20})\$[\w./+=,$-]{20,}")
_PEM: Final = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,60}-----|$)"
)
_USER: Final = re.compile(r"//([^\s/?#@\"'<>]{1,200})@|//([^\s/?#@\"'<>:]{0,200}:[^\s/?#@\"'<>]{1,200})(?=…$)")
_CURL: Final = re.compile(r"(?<!\S)(-u|--user)([ =])([^\s:\"'-][^\s:\"']{0,100}:[^\s\"']+)")
_LONG: Final = 19  # characters of the shortest key that was issued
_SHORTEST: Final = 8  # characters of what one of these is found in, but for users in URLs

# what HTML and XML keep values in, named by another attribute, before it or behind
_TAG: Final = re.compile(r"<[A-Za-z][\w:.-]*\s[^<>]*")
_NAMED: Final = re.compile(r"\b(?:name|id|type|property|key)=[\"']?([\w.:-]+)", re.IGNORECASE)
_VALUE: Final = re.compile(r"\b((?:value|content)=)(\"[^\"]*\"?|'[^']*'?|[^\s\"'>]+)", re.IGNORECASE)


def blank(_secret: str) -> str:
    """The mask that tells nothing, not even which secrets are equal: for logs."""
    return SHOWN


def without_credentials(text: str, mask: Mask = blank) -> str:
    """The text without what is a credential by its own form: JWTs, known keys, Authorization values, users in URLs."""
    if len(text) < _SHORTEST and "@" not in text:
        return text
    if len(text) >= _LONG:
        text = _ISSUED.sub(lambda found: mask(found.group()), text)
    text = _JWT.sub(lambda found: mask(found.group()), text)
    text = _BEARER.sub(lambda found: found.group(1) + found.group(2) + mask(found.group(3)), text)
    text = _BASIC.sub(partial(_basic, mask), text)
    if "$" in text:
        text = _HASHED.sub(lambda found: mask(found.group()), text)
    if "-----BEGIN" in text:
        text = _PEM.sub(lambda found: mask(found.group()), text)
    if "-u" in text:
        text = _CURL.sub(lambda found: f"{found[1]}{found[2]}{mask(found[3])}", text)
    if "//" not in text:
        return text
    return _USER.sub(lambda found: f"//{mask(found[1])}@" if found[1] else f"//{mask(found[2])}", text)


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
    """HTML and XML without the values of tags that are named like a secret (`<meta name="csrf-token" content=...>`)."""

    def shown(tag: re.Match[str]) -> str:
        if not any(secret(name) for name in _NAMED.findall(tag.group())):
            return tag.group()
        return _VALUE.sub(lambda found: f'{found.group(1)}"{mask(found.group(2))}"', tag.group())

    return _TAG.sub(shown, text)
