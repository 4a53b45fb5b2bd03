"""Signs and verifies the one kind of token of the whole system; which routes want one is decided elsewhere.

The algorithm chooses the kind of key, never the other way round: HS256 is checked with the shared
secret alone, RS256 and ES256 with a key of the pinned JWKS alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.util import urlsafe_b64decode

from services.kit.json import dumps
from services.kit.jwks import KeyRing, PublicKey

LIFETIME_S: Final = 3600
AUDIENCE: Final = "authenticated"
# A token may not bring its own key, nor demand what nobody here understands (RFC 7515 section 4.1).
_REFUSED_HEADERS: Final = frozenset({"crit", "b64", "jwk", "jku", "x5u", "x5c", "zip"})
_KEY_TYPES: Final[Mapping[str, type[PublicKey]]] = {"RS256": RSAKey, "ES256": ECKey}

Claims = Mapping[str, Any]


class BadToken(Exception):  # noqa: N818 - the token is bad, the program is not
    """The token is not to be trusted; the reason is for the log."""


class Signer:
    """Signs what `/api/login` hands out, byte for byte as jsonwebtoken does in legacy."""

    def __init__(self, secret: str) -> None:
        self._key = OctKey.import_key(secret)

    def sign(self, *, sub: str, email: str, person_role: str, now: float) -> str:
        """A person's token; `role` opens Supabase, the person's own role is in `app_metadata`."""
        issued = int(now)
        claims = {
            "sub": sub,
            "email": email,
            "role": AUDIENCE,
            "aud": AUDIENCE,
            "app_metadata": {"role": person_role},
            "iat": issued,
            "exp": issued + LIFETIME_S,
        }
        return jws.serialize_compact({"alg": "HS256", "typ": "JWT"}, dumps(claims), self._key, ["HS256"])


class Verifier:
    """Reads tokens with the shared secret, the pinned key ring, or both."""

    def __init__(
        self, secret: str | None, ring: KeyRing | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._secret = None if secret is None else OctKey.import_key(secret)
        self._ring = ring
        self._clock = clock

    async def claims(self, token: str) -> Claims:
        """The claims of somebody who has signed in. Raises BadToken for everything else."""
        try:
            parsed = jws.extract_compact(token.encode())
            header = _object(urlsafe_b64decode(parsed.segments["header"]))
            key = await self._key(header)
            if not jws.validate_compact(parsed, key, [header["alg"]]):
                raise BadToken("the signature does not fit")
            claims = _object(parsed.payload)
        except (JoseError, ValueError, TypeError) as error:
            raise BadToken(f"unreadable: {type(error).__name__}") from error
        refuse_claims(claims, now=self._clock())
        return claims

    async def _key(self, header: Claims) -> OctKey | PublicKey:
        if not _REFUSED_HEADERS.isdisjoint(header):
            raise BadToken("the header brings a key or a demand of its own")
        algorithm = header.get("alg")
        if algorithm == "HS256" and self._secret is not None:
            return self._secret
        kind = _KEY_TYPES.get(algorithm) if isinstance(algorithm, str) else None
        kid = header.get("kid")
        if kind is None or self._ring is None or not isinstance(kid, str):
            raise BadToken("the algorithm is not one of ours")
        key = await self._ring.key(kid)
        if not isinstance(key, kind):
            raise BadToken("no such key")
        return key


def refuse_claims(claims: Claims, *, now: float) -> None:
    """Raise BadToken unless the claims are a signed-in person's, now; no leeway, as in legacy."""
    if not _is_number(claims.get("exp")) or claims["exp"] <= int(now):
        raise BadToken("expired, or without exp")
    if "nbf" in claims and (not _is_number(claims["nbf"]) or claims["nbf"] > int(now)):
        raise BadToken("not valid yet")
    audience = claims.get("aud")
    if audience != AUDIENCE and not (isinstance(audience, list) and AUDIENCE in audience):
        raise BadToken("for another audience")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise BadToken("without sub")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _object(text: bytes | None) -> Claims:
    value = json.loads(text or b"", object_pairs_hook=_unique)
    if not isinstance(value, dict):
        raise BadToken("not an object")
    return value


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(members)
    if len(read) != len(members):  # RFC 7515 section 4: two readers could see two different values
        raise BadToken("a member occurs twice")
    return read
