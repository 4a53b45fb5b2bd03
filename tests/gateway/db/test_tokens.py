"""Tokens: shown once, kept as hashes, known for a while without the database."""

import asyncio
import re

import psycopg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.db import tokens
from gateway.db.engine import DatabaseDown, make_engine
from gateway.db.tokens import Identity, NameTaken, Role, TokenStore


class Clock:
    """A monotonic clock that a test moves."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(engine: AsyncEngine, clock: Clock) -> TokenStore:
    return TokenStore(engine, clock=clock)


async def test_secret_is_verified_and_nowhere_in_the_database(store: TokenStore, database: str) -> None:
    """A new secret has 256 bits, names its owner, and only its hash is stored."""
    secret = await store.create("ann", Role.OPERATOR)
    assert re.fullmatch(r"sgw_[A-Za-z0-9_-]{43}", secret)
    assert await store.verify(secret) == Identity("ann", Role.OPERATOR)
    with psycopg.connect(database) as connection:
        stored = connection.execute("SELECT t::text FROM gateway.tokens AS t").fetchall()
    assert len(stored) == 1
    assert secret not in stored[0][0]
    assert secret.removeprefix("sgw_") not in stored[0][0]


@pytest.mark.parametrize("secret", ["", "sgw_", "sgw_" + "A" * 43, "x" * 10_000, "sgw_" + "\0" * 43, "sgw_" + "é" * 43])
async def test_other_secrets_are_nobodys(store: TokenStore, secret: str) -> None:
    """What was never handed out, or has another form, belongs to nobody and breaks nothing."""
    await store.create("ann", Role.ADMIN)
    assert await store.verify(secret) is None


async def test_revoked_token_ends_here_at_once_and_elsewhere_within_seconds(
    store: TokenStore, engine: AsyncEngine, clock: Clock
) -> None:
    """The process that revokes forgets at once; another one when its short memory ends."""
    secret = await store.create("ann", Role.VIEWER)
    elsewhere = TokenStore(engine, clock=clock)
    assert await store.verify(secret) == await elsewhere.verify(secret)
    assert await store.revoke("ann")
    assert not await store.revoke("ann")
    assert await store.verify(secret) is None
    clock.now += tokens.FRESH_S
    assert await elsewhere.verify(secret) is None


async def test_name_is_free_again_after_revocation(store: TokenStore) -> None:
    """Two tokens in use never share a name; a revoked one gives its name back."""
    await store.create("ann", Role.VIEWER)
    with pytest.raises(NameTaken):
        await store.create("ann", Role.ADMIN)
    await store.revoke("ann")
    await store.create("ann", Role.ADMIN)
    assert [(token.name, token.role) for token in await store.list()] == [("ann", Role.ADMIN)]


@pytest.mark.parametrize("name", ["", " ann", "a" * 65, "a\nb", "<script>", "-rf", "ann\0"])
async def test_odd_names_are_refused(store: TokenStore, name: str) -> None:
    """A name is shown in history and logs, so it is made of plain characters."""
    with pytest.raises(ValueError, match="a token's name has 1 to 64"):
        await store.create(name, Role.VIEWER)


async def test_of_many_processes_one_makes_the_first_token(engine: AsyncEngine) -> None:
    """Ten that start together have one secret between them, and it is an admin's."""
    made = await asyncio.gather(*(TokenStore(engine).create_first("admin") for _ in range(10)))
    secrets = [secret for secret in made if secret is not None]
    assert len(secrets) == 1
    assert await TokenStore(engine).verify(secrets[0]) == Identity("admin", Role.ADMIN)


async def test_first_token_comes_back_when_no_admin_is_left(store: TokenStore) -> None:
    """Whoever revokes the last admin gets a new first token at the next start, whatever names are used."""
    assert await store.create_first("admin") is not None
    await store.revoke("admin")
    await store.create("admin", Role.VIEWER)
    secret = await store.create_first("admin")
    assert secret is not None
    assert await store.verify(secret) == Identity("admin-2", Role.ADMIN)
    assert await store.create_first("admin") is None


async def test_known_token_outlives_the_database_for_a_while(store: TokenStore, clock: Clock) -> None:
    """With the database down a token seen before is known for some minutes, an unseen one is not."""
    secret = await store.create("ann", Role.ADMIN)
    unseen = await store.create("bob", Role.ADMIN)
    await store.verify(secret)
    gone = make_engine("postgresql:///x?host=/nowhere")
    await store._engine.dispose()
    store._engine = gone
    clock.now += tokens.LENIENT_S - 1
    assert await store.verify(secret) == Identity("ann", Role.ADMIN)
    with pytest.raises(DatabaseDown):
        await store.verify(unseen)
    clock.now += 1
    with pytest.raises(DatabaseDown):
        await store.verify(secret)
    await gone.dispose()


async def test_memory_is_bounded(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many tokens are used, only so many are remembered, and the others still work."""
    monkeypatch.setattr(tokens, "REMEMBERED", 2)
    secrets = [await store.create(f"user{n}", Role.VIEWER) for n in range(4)]
    for _ in range(2):
        assert [identity.name for secret in secrets if (identity := await store.verify(secret))] == [
            "user0",
            "user1",
            "user2",
            "user3",
        ]
    assert len(store._seen) == 2
