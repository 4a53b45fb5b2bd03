"""The part of Supabase Auth the browser calls."""

from typing import Any

import httpx
import pytest

from .stack import OPERATOR_ID, anon_key, person_claims, signed

APIKEY = {"apikey": anon_key()}


async def sign_in(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    body = {"email": "operator@flowviz.com", "password": "flowviz", **changes}
    return await client.post("/auth/v1/token?grant_type=password", json=body, headers=APIKEY)


def bearer(token: str) -> dict[str, str]:
    return {**APIKEY, "authorization": f"Bearer {token}"}


@pytest.mark.parametrize("email", ["admin@flowviz.com", "operator@flowviz.com", "auditor@flowviz.com"])
async def test_seeded_people_sign_in(client: httpx.AsyncClient, email: str) -> None:
    """Every seeded user has the password `flowviz`."""
    session = (await sign_in(client, email=email)).json()
    assert list(session) == [
        "access_token",
        "token_type",
        "expires_in",
        "expires_at",
        "refresh_token",
        "user",
    ]
    assert session["user"]["email"] == email
    assert (session["token_type"], session["expires_in"]) == ("bearer", 3600)


@pytest.mark.parametrize(
    "changes",
    [{"password": "wrong"}, {"email": "nobody@flowviz.com"}, {"password": None}, {"email": {"a": "b"}}],
)
async def test_wrong_credentials_are_400(client: httpx.AsyncClient, changes: dict[str, Any]) -> None:
    """A wrong password and an unknown person are not told apart."""
    response = await sign_in(client, **changes)
    assert response.status_code == 400
    assert response.json() == {
        "code": 400,
        "error_code": "invalid_credentials",
        "msg": "Invalid login credentials",
    }


@pytest.mark.parametrize("grant", ["magic", "constructor", ""])
async def test_unknown_grant_is_400(client: httpx.AsyncClient, grant: str) -> None:
    """Only password and refresh_token are granted."""
    response = await client.post(f"/auth/v1/token?grant_type={grant}", json={}, headers=APIKEY)
    assert (response.status_code, response.json()["msg"]) == (400, "unsupported_grant_type")


async def test_session_token_is_good_for_express_and_the_user(client: httpx.AsyncClient) -> None:
    """One token opens Supabase and Express."""
    token = (await sign_in(client)).json()["access_token"]
    user = (await client.get("/auth/v1/user", headers=bearer(token))).json()
    assert (user["id"], user["role"], user["app_metadata"]["role"]) == (
        OPERATOR_ID,
        "authenticated",
        "OPERATOR",
    )
    assert user["user_metadata"] == {"full_name": "Otto Operator"}
    assert (await client.get("/api/lots", headers=bearer(token))).status_code == 200


async def test_refresh_token_works_once(client: httpx.AsyncClient) -> None:
    """Refreshing gives a new pair and spends the old token."""
    spent = {"refresh_token": (await sign_in(client)).json()["refresh_token"]}
    url = "/auth/v1/token?grant_type=refresh_token"
    first = await client.post(url, json=spent, headers=APIKEY)
    assert first.status_code == 200
    assert first.json()["refresh_token"] != spent["refresh_token"]
    again = await client.post(url, json=spent, headers=APIKEY)
    assert (again.status_code, again.json()["error_code"]) == (400, "refresh_token_not_found")


async def test_signed_out_session_is_over(client: httpx.AsyncClient) -> None:
    """After signing out neither the access token nor the refresh token opens Auth."""
    session = (await sign_in(client)).json()
    header = bearer(session["access_token"])
    response = await client.post("/auth/v1/logout?scope=local", headers=header)
    assert (response.status_code, response.content) == (204, b"")
    user = await client.get("/auth/v1/user", headers=header)
    assert (user.status_code, user.json()["error_code"]) == (403, "session_not_found")
    refreshed = await client.post(
        "/auth/v1/token?grant_type=refresh_token",
        json={"refresh_token": session["refresh_token"]},
        headers=APIKEY,
    )
    assert refreshed.status_code == 400


async def test_local_sign_out_leaves_other_sessions(client: httpx.AsyncClient) -> None:
    """Signing out here does not sign out the other browser; signing out everywhere does."""
    here, there = [(await sign_in(client)).json()["access_token"] for _ in range(2)]
    await client.post("/auth/v1/logout?scope=local", headers=bearer(here))
    assert (await client.get("/auth/v1/user", headers=bearer(there))).status_code == 200
    last = (await sign_in(client)).json()["access_token"]
    await client.post("/auth/v1/logout?scope=global", headers=bearer(last))
    assert (await client.get("/auth/v1/user", headers=bearer(there))).status_code == 403


async def test_user_without_a_token_is_401(client: httpx.AsyncClient) -> None:
    """Nobody is nobody."""
    response = await client.get("/auth/v1/user", headers=APIKEY)
    assert (response.status_code, response.json()["error_code"]) == (401, "no_authorization")


@pytest.mark.parametrize("token", ["x", anon_key(), signed(person_claims(), alg="none")])
async def test_user_with_a_bad_token_is_403(client: httpx.AsyncClient, token: str) -> None:
    """The apikey is no login, and an unsigned token neither."""
    response = await client.get("/auth/v1/user", headers=bearer(token))
    assert (response.status_code, response.json()["error_code"]) == (403, "bad_jwt")


@pytest.mark.parametrize("path", ["/auth/v1/user", "/rest/v1/lots"])
async def test_apikey_is_wanted(client: httpx.AsyncClient, path: str) -> None:
    """Every Supabase service asks for the project's key first, in a header or in the query."""
    missing = await client.get(path)
    assert (missing.status_code, missing.json()["message"]) == (401, "No API key found in request")
    bad = await client.get(path, headers={"apikey": "nope"})
    assert (bad.status_code, bad.json()["message"]) == (401, "Invalid API key")
    assert (await client.get("/rest/v1/lots", params={"apikey": anon_key()})).status_code == 200
