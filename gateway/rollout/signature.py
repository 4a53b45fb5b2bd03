"""Signs and checks a JWT with one secret: HS256 and nothing else, one `typ`. What it claims is not known here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

_ALGORITHM: Final = "HS256"


class Signature:
    """One secret, for tokens of one type."""

    def __init__(self, secret: str, kind: str) -> None:
        self._key = OctKey.import_key(secret)
        self._kind = kind

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A token that says this."""
        return jwt.encode({"alg": _ALGORITHM, "typ": self._kind}, dict(claims), self._key, [_ALGORITHM])

    def claims(self, token: bytes) -> Mapping[str, Any] | None:
        """What a token says, None for one that is not signed so, by this secret, or of another type."""
        try:
            decoded = jwt.decode(token, self._key, [_ALGORITHM])  # compares in constant time
        except (JoseError, ValueError, TypeError, RecursionError):
            return None
        return decoded.claims if decoded.header.get("typ") == self._kind else None
