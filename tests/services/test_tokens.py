"""Tokens: the good ones of both families of algorithms, and every attack one by one."""

import json
import time
from collections.abc import Callable

import pytest

from services.app import build
from services.kit.token import Signer
from tests.legacy.stack import OPERATOR_ID, SECRET, person_claims, signed

from .asgi import Caller, running
from .keys import EC, HS256, RSA, STRANGER, KeyServer, asked, by_key, forged, part, public_pem, url_of

ATTACKS: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "not a token": lambda: "a.b.c",
    "two parts": lambda: signed(person_claims()).rsplit(".", 1)[0],
    "alg none": lambda: signed(person_claims(), alg="none"),
    "alg none with another case": lambda: forged({"alg": "nOnE"}, person_claims()),
    "alg none and a signature": lambda: forged({"alg": "none"}, person_claims()),
    "alg missing": lambda: forged({"typ": "JWT"}, person_claims()),
    "alg is a list": lambda: forged({"alg": ["HS256"]}, person_claims()),
    "another hash": lambda: signed(person_claims(), alg="HS512"),
    "another secret": lambda: signed(person_claims(), secret="another-secret-that-is-32-bytes-long"),
    "signature missing": lambda: signed(person_claims()).rsplit(".", 1)[0] + ".",
    "claims changed": lambda: changed(signed(person_claims())),
    "RSA key as the HMAC secret": lambda: forged({**HS256, "kid": "rsa-1"}, person_claims(), secret=public_pem(RSA)),
    "RS256 of a stranger's key": lambda: by_key(STRANGER, "RS256", person_claims()),
    "RS256 without a kid": lambda: by_key(RSA, "RS256", person_claims(), kid=""),
    "PS256 with our key": lambda: by_key(RSA, "PS256", person_claims()),
    "ES256 naming the RSA key": lambda: by_key(EC, "ES256", person_claims(), kid="rsa-1"),
    "RS256 naming the EC key": lambda: by_key(RSA, "RS256", person_claims(), kid="ec-1"),
    "embedded jwk": lambda: by_key(STRANGER, "RS256", person_claims(), jwk=STRANGER.as_dict(private=False)),
    "embedded jwk, well signed": lambda: forged({**HS256, "jwk": {"kty": "oct", "k": "AA"}}, person_claims()),
    "jku": lambda: by_key(STRANGER, "RS256", person_claims(), jku="http://127.0.0.1:9/keys"),
    "jku, well signed": lambda: forged({**HS256, "jku": "http://127.0.0.1:9/keys"}, person_claims()),
    "x5u, well signed": lambda: forged({**HS256, "x5u": "http://127.0.0.1:9/cert"}, person_claims()),
    "unknown crit": lambda: forged({**HS256, "crit": ["exp"], "exp": 1}, person_claims()),
    "b64": lambda: forged({**HS256, "b64": False, "crit": ["b64"]}, person_claims()),
    "kid with a path": lambda: by_key(STRANGER, "RS256", person_claims(), kid="../../../../dev/null"),
    "kid with SQL": lambda: by_key(STRANGER, "RS256", person_claims(), kid="' OR 1=1 --"),
    "kid is an object": lambda: forged({"alg": "RS256", "kid": {"$ne": 1}}, person_claims()),
    "alg twice": lambda: forged('{"alg":"none","alg":"HS256"}', person_claims()),
    "sub twice": lambda: forged(HS256, json.dumps(person_claims())[:-1] + ', "sub": "somebody"}'),
    "exp missing": lambda: signed(person_claims(exp=None)),
    "exp is a text": lambda: signed(person_claims(exp=str(int(time.time()) + 600))),
    "exp is true": lambda: signed(person_claims(exp=True)),
    "expired": lambda: signed(person_claims(exp=int(time.time()) - 1)),
    "nbf ahead": lambda: signed(person_claims(nbf=int(time.time()) + 60)),
    "aud missing": lambda: signed(person_claims(aud=None)),
    "aud wrong": lambda: signed(person_claims(aud="anon")),
    "aud wrong in a list": lambda: signed(person_claims(aud=["anon"])),
    "sub missing": lambda: signed(person_claims(sub=None)),
    "claims are a list": lambda: forged(HS256, "[]"),
    "claims are no JSON": lambda: forged(HS256, "{"),
    "very long": lambda: signed(person_claims(more="x" * 200_000)),
}  # fmt: skip


def changed(token: str) -> str:
    header, _, signature = token.split(".")
    return f"{header}.{part(json.dumps(person_claims(sub='somebody')).encode())}.{signature}"


@pytest.mark.parametrize("attack", ATTACKS)
async def test_attack_is_401(both: Caller, attack: str) -> None:
    """One way to a token that must not be trusted; the answer says nothing about why."""
    answer = await asked(both, ATTACKS[attack]())
    assert (answer.status, answer.body) == (401, b'{"error":"Invalid token"}')


@pytest.mark.parametrize(
    "token",
    [
        signed(person_claims()),
        signed(person_claims(aud=["other", "authenticated"], nbf=int(time.time()) - 1)),
        by_key(RSA, "RS256", person_claims()),
        by_key(EC, "ES256", person_claims()),
    ],
)
async def test_good_token_is_taken(both: Caller, token: str) -> None:
    """The shared secret's and the two kinds of published key."""
    assert (await asked(both, token)).status == 200


async def test_without_a_secret_hs256_is_refused_and_login_closed(
    environment: pytest.MonkeyPatch, keys: KeyServer
) -> None:
    """Where only a JWKS is known, nothing is accepted as its secret and no token is issued."""
    environment.delenv("SUPABASE_JWT_SECRET")
    environment.setenv("SERVICES_JWKS_URL", url_of(keys))
    async with running(build()) as client:
        assert (
            await asked(client, forged({**HS256, "kid": "rsa-1"}, person_claims(), secret=public_pem(RSA)))
        ).status == 401
        assert (await asked(client, by_key(RSA, "RS256", person_claims()))).status == 200
        login = await client.send("POST", "/api/login", body={"email": "operator@flowviz.com"})
        assert (login.status, login.json()) == (503, {"error": "This server issues no tokens"})


@pytest.mark.parametrize("header", ["Basic b3R0bw==", "Bearerx y", "Token abc", ""])
async def test_another_scheme_is_anonymous(client: Caller, header: str) -> None:
    """Legacy looks at Bearer alone, and lets anonymous callers pass."""
    assert (await client.send("GET", "/api/runs", headers={"Authorization": header})).status == 200


async def test_every_route_refuses_a_bad_token(client: Caller) -> None:
    """No endpoint forgets to ask who is calling, and a write with a bad token leaves nothing."""
    bad = {"Authorization": "Bearer nonsense"}
    for method, target, body in (
        ("GET", "/api/health", None),
        ("POST", "/api/login", {"email": "operator@flowviz.com"}),
        ("GET", "/api/lots", None),
        ("POST", "/api/lots", {"lot_code": "STOLEN"}),
        ("GET", "/api/traceability/MIX-BATCH-88", None),
        ("POST", "/api/qc-decisions", {"decision": "PASS"}),
        ("GET", "/api/runs", None),
        ("POST", "/api/runs", {"run_code": "STOLEN"}),
        ("GET", f"/api/runs/{OPERATOR_ID}", None),
        ("PATCH", f"/api/runs/{OPERATOR_ID}", {}),
    ):
        assert (await client.send(method, target, body=body, headers=bad)).status == 401, target
    assert (await client.send("GET", "/api/traceability/STOLEN")).status == 404


def test_token_is_the_one_jsonwebtoken_would_sign() -> None:
    """Header, order of the claims and signature are legacy's, byte for byte."""
    claims = {
        "sub": OPERATOR_ID,
        "email": "ottó@flowviz.com",
        "role": "authenticated",
        "aud": "authenticated",
        "app_metadata": {"role": "OPERATOR"},
        "iat": 1_795_000_000,
        "exp": 1_795_003_600,
    }
    compact = [json.dumps(value, separators=(",", ":"), ensure_ascii=False) for value in ({**HS256}, claims)]
    token = Signer(SECRET).sign(sub=OPERATOR_ID, email="ottó@flowviz.com", person_role="OPERATOR", now=1_795_000_000.9)
    assert token == forged(compact[0], compact[1])
