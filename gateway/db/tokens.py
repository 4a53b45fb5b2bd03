"""Who may use the admin plane: bearer tokens, kept as hashes, each with a name and one role.

A secret is 256 random bits, so SHA-256 is enough: slow hashes protect secrets that people choose.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.db.engine import DatabaseDown, ask
from gateway.db.tables import tokens

PREFIX = "sgw_"
FRESH_S = 3.0  # how long a token that was just seen is not looked up again, and outlives its end elsewhere
LENIENT_S = 600.0  # how long a token seen before goes on being known while the database is down
REMEMBERED = 1_000

_SECRET = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")  # 32 bytes, URL-safe base64 without padding
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_FIRST_TOKEN_LOCK = 0x5347_4654  # "SGFT"


class Role(IntEnum):
    """What a token may do; each role may do all that the ones before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose request it is."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it may be listed: without its secret, which nobody has any more."""

    name: str
    role: Role
    created_at: datetime


class NameTaken(ValueError):  # noqa: N818 - it says what happened
    """A token of that name is in use."""


class TokenStore:
    """Creates, checks and revokes tokens; every failure of the database is `DatabaseDown`."""

    def __init__(self, engine: AsyncEngine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._seen: OrderedDict[bytes, tuple[Identity, float]] = OrderedDict()

    async def create(self, name: str, role: Role) -> str:
        """Make a token and return its secret, shown this once; ValueError on a bad name, NameTaken on a used one."""
        if not _NAME.fullmatch(name):
            raise ValueError(
                "a token's name has 1 to 64 letters, digits and . _ @ -, and starts with one of the first two"
            )
        secret = _new_secret()
        await ask(self._create(name, role, secret))
        return secret

    async def create_first(self, name: str) -> str | None:
        """Make an admin token if there is none at all; of several processes exactly one gets a secret to show."""
        secret = _new_secret()
        return secret if await ask(self._create_first(name, secret)) else None

    async def verify(self, secret: str) -> Identity | None:
        """Whose secret it is, None for nobody's.

        With the database down, a token that was seen in the last minutes is still known here; a change
        of a flag needs the database anyway.
        """
        if not _SECRET.fullmatch(secret):
            return None
        digest = _hash(secret)
        known = self._seen.get(digest)
        if known is not None and self._clock() - known[1] < FRESH_S:
            return known[0]
        try:
            identity = await ask(self._find(digest))
        except DatabaseDown:
            if known is not None and self._clock() - known[1] < LENIENT_S:
                return known[0]
            raise
        self._remember(digest, identity)
        return identity

    async def list(self) -> Sequence[Token]:
        """Every token in use, oldest first."""
        return await ask(self._list())

    async def revoke(self, name: str) -> bool:
        """End a token, here at once and elsewhere within seconds; False when there is none of that name."""
        revoked = await ask(self._revoke(name))
        self._seen.clear()
        return revoked

    def _remember(self, digest: bytes, identity: Identity | None) -> None:
        self._seen.pop(digest, None)
        if identity is not None:
            self._seen[digest] = (identity, self._clock())
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)

    async def _create(self, name: str, role: Role, secret: str) -> None:
        async with self._engine.connect() as connection:
            try:
                await _insert(connection, name, role, secret)
            except IntegrityError as error:
                raise NameTaken("a token of that name is in use") from error
            await connection.commit()

    async def _create_first(self, name: str, secret: str) -> bool:
        async with self._engine.connect() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(_FIRST_TOKEN_LOCK)))
            admins = select(tokens.c.id).where(tokens.c.role == Role.ADMIN.word, tokens.c.revoked_at.is_(None))
            if (await connection.execute(admins.limit(1))).first() is not None:
                return False
            taken = select(tokens.c.name).where(tokens.c.revoked_at.is_(None))
            names = set((await connection.execute(taken)).scalars())
            free = next(
                each for each in (name, *(f"{name}-{n}" for n in range(2, len(names) + 3))) if each not in names
            )
            await _insert(connection, free, Role.ADMIN, secret)
            await connection.commit()
            return True

    async def _find(self, digest: bytes) -> Identity | None:
        wanted = select(tokens.c.name, tokens.c.role).where(tokens.c.hash == digest, tokens.c.revoked_at.is_(None))
        async with self._engine.connect() as connection:
            row = (await connection.execute(wanted)).first()
            return None if row is None else Identity(row.name, Role[row.role.upper()])

    async def _list(self) -> Sequence[Token]:
        wanted = select(tokens).where(tokens.c.revoked_at.is_(None)).order_by(tokens.c.id)
        async with self._engine.connect() as connection:
            rows = await connection.execute(wanted)
            return [Token(row.name, Role[row.role.upper()], row.created_at) for row in rows]

    async def _revoke(self, name: str) -> bool:
        ended = update(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None))
        async with self._engine.connect() as connection:
            outcome = await connection.execute(ended.values(revoked_at=func.clock_timestamp()))
            await connection.commit()
            return outcome.rowcount == 1


async def _insert(connection: AsyncConnection, name: str, role: Role, secret: str) -> None:
    await connection.execute(insert(tokens).values(name=name, role=role.word, hash=_hash(secret)))


def _new_secret() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
