"""identities.yaml: the people cases ask as, and how each one's token is made. Secrets stay in the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.contract.fields import Fields
from gateway.contract.files import Problem
from gateway.contract.node import Json, Scalar, Table

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,99}", re.ASCII)
_BEARER = re.compile(r"[\x21-\x7e]{1,8000}", re.ASCII)
_HOUR_S = 3600
_YEAR_S = 366 * 24 * _HOUR_S


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: with signed claims, with a fixed bearer value, or (both None) without a token."""

    name: str
    claims: Mapping[str, Json] | None = None
    expires_in_s: int = _HOUR_S
    bearer: str | None = None

    def authorization(self, *, secret: str, now: datetime) -> bytes | None:
        """The value of the Authorization header, or None; `secret` signs HS256."""
        if self.bearer is not None:
            return f"Bearer {self.bearer}".encode()
        if self.claims is None:
            return None
        from joserfc import jwt  # not above: it is slow to import, and a gateway reads identities but asks as nobody
        from joserfc.jwk import OctKey

        times = {"iat": int(now.timestamp()), "exp": int((now + timedelta(seconds=self.expires_in_s)).timestamp())}
        token = jwt.encode({"alg": "HS256", "typ": "JWT"}, {**self.claims, **times}, OctKey.import_key(secret))
        return f"Bearer {token}".encode()


@dataclass(frozen=True, slots=True)
class Identities:
    """All identities, and the environment variable that holds the secret of their tokens."""

    secret_variable: str | None
    by_name: Mapping[str, Identity]


def identities_of(fields: Fields, *, problems: list[Problem]) -> Identities:
    """The identities a file defines."""
    variable = fields.text("secret")
    if variable is not None and not _VARIABLE.fullmatch(variable):
        fields.wrong("secret must name an environment variable; the secret itself has no place in a file", "secret")
    found: dict[str, Identity] = {}
    people = fields.fields("identities", required=True)
    fields.finish()
    if people is None:
        return Identities(variable, {})
    for name, node in people.table.entries.items():
        if not _NAME.fullmatch(name):
            people.wrong(f"{name!r} is no name for an identity (lower case, digits, - and _)", name)
        elif isinstance(node, Scalar) and node.value == "none":
            found[name] = Identity(name)
        elif isinstance(node, Table):
            identity = _identity(name, Fields(node, file=fields.file, problems=problems))
            found[name] = identity or Identity(name)
        else:
            people.wrong(f"{name} must be none, or hold claims or bearer", name)
    if variable is None and any(identity.claims is not None for identity in found.values()):
        fields.wrong("secret is missing: it names the environment variable that signs the tokens")
    return Identities(variable, found)


def _identity(name: str, fields: Fields) -> Identity | None:
    claims = fields.json("claims") if fields.has("claims") else None
    bearer = fields.text("bearer")
    expires_in_s = fields.integer("expires_in_s", low=-_YEAR_S, high=_YEAR_S)
    fields.finish()
    if (claims is None) == (bearer is None):
        fields.wrong(f"{name} must have either claims or bearer")
        return None
    if bearer is not None and not _BEARER.fullmatch(bearer):
        fields.wrong("bearer must be printable ASCII without spaces", "bearer")
        return None
    if claims is not None and not isinstance(claims, dict):
        fields.wrong("claims must hold keys and values", "claims")
        return None
    return Identity(name, claims, _HOUR_S if expires_in_s is None else expires_in_s, bearer)
