"""Login by email, and what a token is good for on the Express routes."""

import base64
import json
import time
from typing import Any

import httpx
import pytest

from .stack import OPERATOR_ID, SECRET, anon_key, person_claims, signed


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return claims


async def test_login_returns_the_user_and_a_token(client: httpx.AsyncClient) -> None:
    """A known email is enough; the user comes in column order with the new last_login."""
    response = await client.post("/api/login", json={"email": "operator@flowviz.com"})
    body = response.json()
    assert response.status_code == 200
    assert list(body) == ["user", "token"]
    assert list(body["user"]) == ["id", "email", "full_name", "role", "created_at", "last_login"]
    assert (body["user"]["id"], body["user"]["role"]) == (OPERATOR_ID, "OPERATOR")
    assert body["user"]["last_login"] > "2026-11-20T04:58:11.020Z"


async def test_token_opens_supabase_and_names_the_role(client: httpx.AsyncClient) -> None:
    """The token is HS256 with the project's secret; the person's role travels in app_metadata."""
    token = (await client.post("/api/login", json={"email": "admin@flowviz.com"})).json()["token"]
    claims = claims_of(token)
    assert (claims["role"], claims["aud"], claims["email"]) == (
        "authenticated", "authenticated", "admin@flowviz.com",
    )  # fmt: skip
    assert claims["app_metadata"] == {"role": "ADMIN"}
    assert claims["exp"] - claims["iat"] == 3600
    user = await client.get("/auth/v1/user", headers={"apikey": anon_key(), "authorization": f"Bearer {token}"})
    assert (user.status_code, user.json()["id"]) == (200, claims["sub"])


@pytest.mark.parametrize("body", [{"email": "nobody@flowviz.com"}, {"email": None}, {"email": {"a": 1}}, {}])
async def test_unknown_user_is_401(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    """Whatever names nobody answers the same."""
    response = await client.post("/api/login", json=body)
    assert (response.status_code, response.json()) == (401, {"error": "User not found"})


@pytest.mark.parametrize("header", [{}, {"apikey": "anything"}, {"authorization": "Basic b3R0bzpwdw=="}])
async def test_anonymous_callers_are_served(client: httpx.AsyncClient, header: dict[str, str]) -> None:
    """Without a Bearer token the routes are open."""
    assert (await client.get("/api/lots", headers=header)).status_code == 200


async def test_good_token_is_accepted(client: httpx.AsyncClient) -> None:
    """A token signed with the project's secret passes."""
    header = {"authorization": f"Bearer {signed(person_claims())}"}
    assert (await client.get("/api/lots", headers=header)).status_code == 200


BAD_TOKENS = {
    "garbage": "garbage",
    "empty": "",
    "another secret": signed(person_claims(), secret="another-secret-of-32-bytes-or-more"),
    "expired": signed(person_claims(exp=int(time.time()) - 1)),
    "no exp": signed(person_claims(exp=None)),
    "another audience": signed(person_claims(aud="anon")),
    "no audience": signed(person_claims(aud=None)),
    "no sub": signed(person_claims(sub=None)),
    "alg none": signed(person_claims(), alg="none"),
    "alg HS512": signed(person_claims(), alg="HS512"),
    "the apikey": signed({"iss": "supabase", "role": "anon", "exp": 4102444800}, secret=SECRET),
}


@pytest.mark.parametrize("token", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
async def test_bad_token_is_401(client: httpx.AsyncClient, token: str) -> None:
    """A token that is shown must be a good one; the apikey alone is no login."""
    response = await client.get("/api/lots", headers={"authorization": f"Bearer {token}".rstrip()})
    assert (response.status_code, response.json()) == (401, {"error": "Invalid token"})
