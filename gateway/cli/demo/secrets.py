"""The secrets of one demo: made at its first start, kept for the next ones."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from gateway.cli.demo.files import Folder, read_object, write_object

_TEN_YEARS_S = 10 * 365 * 24 * 3600  # what a Supabase project's own keys live


@dataclass(frozen=True, slots=True)
class Secrets:
    """The Supabase project's JWT secret, and the key with which every browser says which project it wants."""

    jwt_secret: str
    anon_key: str


def keep_secrets(folder: Folder) -> Secrets:
    """Read the secrets of this folder, or make them."""
    kept = read_object(folder.secrets)
    jwt_secret, anon_key = kept.get("jwt_secret"), kept.get("anon_key")
    if isinstance(jwt_secret, str) and isinstance(anon_key, str):
        return Secrets(jwt_secret, anon_key)
    jwt_secret = secrets.token_urlsafe(48)
    made = Secrets(jwt_secret, _anon_key(jwt_secret, now=int(time.time())))
    write_object(folder.secrets, {"jwt_secret": made.jwt_secret, "anon_key": made.anon_key})
    return made


def _anon_key(jwt_secret: str, *, now: int) -> str:
    from joserfc import jwt
    from joserfc.jwk import OctKey

    claims = {"iss": "supabase", "ref": "demo", "role": "anon", "iat": now, "exp": now + _TEN_YEARS_S}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(jwt_secret))
