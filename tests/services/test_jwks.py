"""The key ring: one pinned URL, asked seldom, and not needed for what is known."""

import asyncio
import json
from typing import Any

import pytest
from joserfc.jwk import ECKey

from services.kit.jwks import COOL_DOWN_S, MAX_AGE_S, KeyRing, fetch_pinned, usable_keys
from tests.legacy.stack import person_claims

from .asgi import Caller
from .keys import EC, RSA, STRANGER, KeyServer, asked, by_key, part, url_of


async def test_invented_kids_cause_one_fetch(both: Caller, keys: KeyServer) -> None:
    """Forty tokens with forty key ids at once make one request to the JWKS URL."""
    tokens = [by_key(STRANGER, "RS256", person_claims(), kid=f"kid-{n}") for n in range(40)]
    answers = await asyncio.gather(*(asked(both, token) for token in tokens))
    assert {answer.status for answer in answers} == {401}
    assert (await asked(both, by_key(RSA, "RS256", person_claims()))).status == 200
    assert keys.hits == 1


async def test_known_keys_work_while_the_url_is_down(keys: KeyServer) -> None:
    """After a failed fetch the old keys stay, and the next try waits for the cool-down."""
    now = 1000.0
    ring = KeyRing(url_of(keys), clock=lambda: now)
    assert await ring.key("rsa-1") is not None
    keys.status = 500
    now += MAX_AGE_S + 1
    for _ in range(3):
        assert await ring.key("rsa-1") is not None
        assert await ring.key("new-kid") is None
    assert keys.hits == 2
    keys.status = 200
    now += COOL_DOWN_S
    assert await ring.key("new-kid") is None
    assert keys.hits == 3
    await ring.aclose()


async def test_caller_who_leaves_does_not_end_the_fetch(keys: KeyServer) -> None:
    """The fetch belongs to all who wait for it."""
    ring = KeyRing(url_of(keys))
    leaving = asyncio.create_task(ring.key("rsa-1"))
    staying = asyncio.create_task(ring.key("rsa-1"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying is not None
    assert keys.hits == 1


def test_redirects_of_the_jwks_url_are_not_followed(keys: KeyServer) -> None:
    """The URL is pinned: what it points to is not asked."""
    keys.status = 302
    with pytest.raises(OSError, match="302"):
        fetch_pinned(url_of(keys))
    assert keys.hits == 1


def test_only_signature_keys_of_known_kinds_are_used() -> None:
    """Symmetric keys, encryption keys, other curves and nonsense in a JWKS are left out."""
    entries: list[Any] = [
        RSA.as_dict(private=False),
        {"kty": "oct", "k": part(b"x" * 32), "kid": "oct"},
        {**EC.as_dict(private=False), "use": "enc", "kid": "enc"},
        ECKey.generate_key("P-384", {"kid": "p384"}).as_dict(private=False),
        {"kty": "RSA", "kid": "half", "n": "AQAB"},
        {"kty": "AKP", "kid": "new"},
        {"kid": 7},
        "nonsense",
    ]
    assert list(usable_keys(json.dumps({"keys": entries}).encode())) == ["rsa-1"]
    for document in (b"", b"[]", b'{"keys": 1}'):
        with pytest.raises(ValueError, match=r".+"):
            usable_keys(document)
