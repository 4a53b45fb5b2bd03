"""Who may do what: tokens, roles, and what needs neither."""

from typing import Any

import pytest

from gateway.admin.bootstrap import ensure_first_token
from gateway.rollout.flag import Flag
from gateway.rollout.plan import Source
from gateway.rollout.stage import Stage

from .conftest import Plane

ROUTE = "/api/routes/lots.create"
ALLOWED = [  # method, path, body, the roles it is for
    ("GET", "/api/routes", None, {"viewer", "operator", "admin"}),
    ("GET", ROUTE, None, {"viewer", "operator", "admin"}),
    ("GET", f"{ROUTE}/history", None, {"viewer", "operator", "admin"}),
    ("GET", f"{ROUTE}/mismatches", None, {"viewer", "operator", "admin"}),
    ("GET", f"{ROUTE}/rules", None, {"viewer", "operator", "admin"}),
    ("GET", f"{ROUTE}/evidence", None, {"viewer", "operator", "admin"}),
    ("PUT", f"{ROUTE}/flag", {"stage": "shadow"}, {"operator", "admin"}),
    ("GET", f"{ROUTE}/gate", None, {"viewer", "operator", "admin"}),
    ("GET", f"{ROUTE}/rollbacks", None, {"viewer", "operator", "admin"}),
    ("POST", f"{ROUTE}/rollout", {"steps": ["1%"], "bake_s": 60}, {"operator", "admin"}),
    ("GET", f"{ROUTE}/rollout", None, {"viewer", "operator", "admin"}),
    ("POST", f"{ROUTE}/rollout/resume", None, {"operator", "admin"}),
    ("DELETE", f"{ROUTE}/rollout", None, {"operator", "admin"}),
    ("POST", f"{ROUTE}/rollback", {}, {"operator", "admin"}),
    ("GET", "/api/tokens", None, {"admin"}),
    ("POST", "/api/tokens", {"name": "new", "role": "viewer"}, {"admin"}),
    ("DELETE", "/api/tokens/new", None, {"admin"}),
]


def test_table_above_has_every_path_of_the_api(plane: Plane) -> None:
    """A path that is added to the API without a line in the table of roles fails here."""
    known = {path.replace("lots.create", "{key}").replace("tokens/new", "tokens/{name}") for _, path, _, _ in ALLOWED}
    assert {route.path for route in plane.app.routes} - {"/healthz", "/readyz", "/metrics"} == known  # type: ignore[attr-defined] # all are Route


@pytest.mark.parametrize("role", ["nobody", "viewer", "operator", "admin"])
async def test_each_role_may_do_its_part_and_no_more(plane: Plane, role: str) -> None:
    """Viewers read, operators move routes, admins hand out tokens, strangers nothing."""
    for method, path, body, roles in ALLOWED:
        answer = await plane.ask(method, path, role=role, json=body)
        if role in roles:
            assert answer.status_code < 300, (method, path, answer.text)
        else:
            assert answer.status_code == (401 if role == "nobody" else 403), (method, path)
            assert answer.json()["error"]["code"] == ("unauthenticated" if role == "nobody" else "forbidden")
    moved = plane.live.plan.flags != {}
    assert moved == (role in ("operator", "admin"))


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer sgw_", "bearer null", "Bearer {viewer}x", "{viewer}"]
)
async def test_strangers_are_told_how_to_come_in(plane: Plane, header: str) -> None:
    """Whatever is no token of ours is 401 with a challenge, and is not repeated."""
    given = header.format(viewer=plane.secrets["viewer"])
    answer = await plane.ask("GET", "/api/routes", role="nobody", headers={"authorization": given})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert plane.secrets["viewer"] not in answer.text


async def test_token_twice_in_one_request_is_refused(plane: Plane) -> None:
    """Two Authorization headers are nobody's, so that no proxy and this plane can read different ones."""
    headers: Any = [("authorization", f"Bearer {plane.secrets['viewer']}")] * 2
    import httpx

    async with httpx.AsyncClient(transport=httpx.ASGITransport(plane.app), base_url="http://localhost") as client:
        assert (await client.get("/api/routes", headers=headers)).status_code == 401


async def test_admin_makes_lists_and_revokes_tokens(plane: Plane) -> None:
    """A new token's secret is in that one answer and works until it is revoked."""
    made = await plane.ask("POST", "/api/tokens", role="admin", json={"name": "ci", "role": "operator"})
    assert made.status_code == 201
    plane.secrets["ci"] = made.json()["secret"]
    assert (await plane.ask("POST", f"{ROUTE}/rollback", role="ci")).status_code == 200
    listed = await plane.ask("GET", "/api/tokens", role="admin")
    assert [(token["name"], token["role"]) for token in listed.json()["tokens"]][-1] == ("ci", "operator")
    assert plane.secrets["ci"] not in listed.text
    taken = await plane.ask("POST", "/api/tokens", role="admin", json={"name": "ci", "role": "viewer"})
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "name_taken")
    assert (await plane.ask("DELETE", "/api/tokens/ci", role="admin")).status_code == 204
    assert (await plane.ask("GET", "/api/routes", role="ci")).status_code == 401
    again = await plane.ask("DELETE", "/api/tokens/ci", role="admin")
    assert (again.status_code, again.json()["error"]["code"]) == (404, "unknown_token")


@pytest.mark.parametrize(
    "body",
    [{"name": "x"}, {"name": "", "role": "viewer"}, {"name": "a\nb", "role": "viewer"}, {"name": "x", "role": "root"}],
)
async def test_odd_token_is_refused(plane: Plane, body: dict[str, str]) -> None:
    """A token has a plain name and one of three roles."""
    answer = await plane.ask("POST", "/api/tokens", role="admin", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_body")


async def test_name_with_nul_is_nobodys(plane: Plane) -> None:
    """A name that the database could not even be asked about is unknown like any other."""
    assert (await plane.ask("DELETE", "/api/tokens/a%00b", role="admin")).status_code == 404


async def test_first_token_is_made_once(plane: Plane) -> None:
    """Where an admin exists no first token is made; where none does, exactly one."""
    assert await ensure_first_token(plane.tokens) is None
    await plane.tokens.revoke("admin")
    secret = await ensure_first_token(plane.tokens)
    assert secret is not None
    plane.secrets["first"] = secret
    assert (await plane.ask("GET", "/api/tokens", role="first")).status_code == 200
    assert await ensure_first_token(plane.tokens) is None


async def test_health_needs_no_token_and_no_database(plane: Plane) -> None:
    """Liveness is about the process alone."""
    await plane.lose_database()
    answer = await plane.ask("GET", "/healthz", role="nobody")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})


async def test_ready_says_fresh_or_why_not(plane: Plane) -> None:
    """Ready is 200 whatever is known of the flags, and the body says what that is and why."""
    plane.live.replace({"lots.create": Flag("lots.create", Stage.SHADOW, version=7)}, Source.DATABASE)
    fresh = await plane.ask("GET", "/readyz", role="nobody")
    assert (fresh.status_code, fresh.json()) == (
        200,
        {
            "ready": True,
            "fresh": True,
            "source": "database",
            "why_stale": "",
            "newest_version": 7,
            "routes": 2,
            "panic": False,
        },
    )
    plane.live.replace(plane.live.plan.flags, Source.SNAPSHOT)
    plane.live.fresh, plane.live.why_stale = False, "the database cannot be reached"
    stale = await plane.ask("GET", "/readyz", role="nobody")
    assert (stale.status_code, stale.json()["fresh"], stale.json()["source"]) == (200, False, "snapshot")
    assert stale.json()["why_stale"] == "the database cannot be reached"
    plane.live.draining = True
    assert (await plane.ask("GET", "/readyz", role="nobody")).status_code == 503
    plane.live.draining = False
    plane.live.replace({}, Source.DEFAULT)
    nothing = await plane.ask("GET", "/readyz", role="nobody")
    assert (nothing.status_code, nothing.json()["source"], nothing.json()["fresh"]) == (200, "default", False)
