"""Moving routes through the API: guarded by versions and the table of stages, in force here at once."""

import asyncio
from typing import Any

import pytest

from gateway.db.flags import FlagStore
from gateway.rollout.flag import Change, Flag
from gateway.rollout.plan import Source
from gateway.rollout.stage import Stage

from .conftest import Plane

ROUTE = "/api/routes/lots.create"
FLAG = f"{ROUTE}/flag"


def error(answer: Any) -> dict[str, Any]:
    """The error of an answer, whose shape is checked on the way."""
    found: dict[str, Any] = answer.json()["error"]
    assert set(found) >= {"code", "message", "request_id"}
    assert found["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    return found


async def test_routes_are_listed_with_flags(plane: Plane) -> None:
    """Every route is shown with its request, its flag, and whether there is a new side at all."""
    answer = await plane.ask("GET", "/api/routes", role="viewer")
    assert answer.status_code == 200
    create, listing = answer.json()["routes"]
    assert listing["key"] == "lots.list"
    assert create == {
        "key": "lots.create",
        "method": "GET",
        "path": "/api/lots.create",
        "effect": "read",
        "group": "lots",
        "new_path": "/api/lots.create",
        "shadow_write": "never",
        "has_new": True,
        "flag": {"stage": "legacy", "canary": 0, "sample": 10_000, "version": 0, "set_by": "default", "reason": ""},
    }


async def test_flip_is_in_force_here_when_it_is_answered(plane: Plane, store: FlagStore) -> None:
    """A flip answers with the new flag and its ETag, and this process acts on it without waiting for anything."""
    body = {"stage": "shadow", "sample": 2_500, "reason": "first look"}
    answer = await plane.ask("PUT", FLAG, json=body, headers={"if-match": '"0"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
    assert (answer.json()["move"], answer.json()["flag"]["set_by"]) == ("promote", "operator")
    flag = Flag("lots.create", Stage.SHADOW, 0, 2_500, 1, "operator", "first look")
    assert plane.live.plan.flags == {"lots.create": flag} == await store.load()
    assert (await plane.ask("GET", ROUTE)).headers["etag"] == '"1"'


@pytest.mark.parametrize("given", ['"0"', "0", "*", None])
async def test_if_match_takes_a_version_or_whatever_is_current(plane: Plane, given: str | None) -> None:
    """A quoted or bare version, `*` and no If-Match at all are understood."""
    headers = {} if given is None else {"if-match": given}
    assert (await plane.ask("PUT", FLAG, json={"stage": "shadow"}, headers=headers)).status_code == 200


@pytest.mark.parametrize("given", ["", "abc", '"1", "2"', 'W/"0"', "-1", '"0', "9" * 40, "٣"])
async def test_nonsense_in_if_match_changes_nothing(plane: Plane, given: str) -> None:
    """An If-Match that is no version is refused, not ignored."""
    answer = await plane.ask("PUT", FLAG, json={"stage": "shadow"}, headers={"if-match": given.encode()})  # type: ignore[dict-item] # bytes on purpose
    assert (answer.status_code, error(answer)["code"]) == (422, "bad_if_match")
    assert plane.live.plan.flags == {}


async def test_lost_race_is_told_the_current_flag(plane: Plane) -> None:
    """A stale version gets 412 with the flag that is current, and changes nothing."""
    await plane.ask("PUT", FLAG, json={"stage": "shadow"})
    answer = await plane.ask("PUT", FLAG, json={"stage": "canary"}, headers={"if-match": '"0"'})
    assert (answer.status_code, answer.headers["etag"]) == (412, '"1"')
    assert error(answer)["code"] == "lost_race"
    assert error(answer)["current"]["stage"] == "shadow"


async def test_lost_race_teaches_this_process(plane: Plane, store: FlagStore) -> None:
    """A flip of another process that was not heard of yet takes force as soon as a lost race reveals it."""
    await plane.service._flags.change("lots.create", Change(Stage.SHADOW), by="elsewhere", expected=None)
    assert plane.live.plan.flag("lots.create").version == 0
    await plane.ask("PUT", FLAG, json={"stage": "shadow"}, headers={"if-match": '"0"'})
    assert plane.live.plan.flag("lots.create").version == 1


async def test_stage_that_may_not_follow_is_refused_and_force_needs_a_reason(plane: Plane) -> None:
    """Skipping a stage is 409 without force, 422 with force alone, and recorded with force and a reason."""
    skip = await plane.ask("PUT", FLAG, json={"stage": "new"})
    assert (skip.status_code, error(skip)["code"]) == (409, "bad_transition")
    assert error(skip)["reasons"] == [
        "legacy goes forward to shadow first, not to new (force with a reason skips stages)"
    ]
    bare = await plane.ask("PUT", FLAG, json={"stage": "new", "force": True, "reason": " "})
    assert (bare.status_code, error(bare)["code"]) == (422, "reason_missing")
    forced = await plane.ask("PUT", FLAG, json={"stage": "new", "force": True, "reason": "legacy dies tonight"})
    assert (forced.status_code, forced.json()["move"]) == (200, "skip")


@pytest.mark.parametrize("body", [{"canary": 10_001}, {"canary": -1}, {"sample": 10_001}, {"sample": 10**30}])
async def test_share_outside_the_whole_is_refused(plane: Plane, body: dict[str, int]) -> None:
    """A share lies between 0 and 10,000, whatever the stage."""
    answer = await plane.ask("PUT", FLAG, json={"stage": "shadow", **body})
    assert (answer.status_code, error(answer)["code"]) == (422, "bad_share")
    assert plane.live.plan.flags == {}


HOSTILE = [
    b"",
    b"null",
    b"[]",
    b'"shadow"',
    b"{",
    b"{}",
    b"\xff\xfe{}",
    b'{"stage": "everything"}',
    b'{"stage": "SHADOW"}',
    b'{"stage": null}',
    b'{"stage": "shadow", "canary": "100"}',
    b'{"stage": "shadow", "canary": 1.5}',
    b'{"stage": "shadow", "canary": true}',
    b'{"stage": "shadow", "canary": NaN}',
    b'{"stage": "shadow", "force": "yes"}',
    b'{"stage": "shadow", "reason": 7}',
    b'{"stage": "shadow", "reason": "a\\u0000b"}',
    b'{"stage": "shadow", "reason": "\\ud800"}',
    b'{"stage": "shadow", "reason": "\\u001b[2J"}',
    b'{"stage": "shadow", "reason": "' + b"x" * 2_001 + b'"}',
    b'{"stage": "shadow", "version": 7}',
    b'{"stage": "shadow", "__class__": "x"}',
    b"[" * 30_000 + b"]" * 30_000,
    b'{"stage": ' * 5_000,
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
async def test_hostile_body_changes_nothing(plane: Plane, body: bytes) -> None:
    """What is not exactly a change of a flag is refused with reasons, and nothing of it is kept."""
    answer = await plane.ask("PUT", FLAG, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, error(answer)["code"]) == (422, "invalid_body")
    assert error(answer)["reasons"]
    assert "Value error" not in answer.text, "the library's own words"
    assert plane.live.plan.flags == {}


async def test_text_of_people_survives(plane: Plane) -> None:
    """A reason may have any letters, quotes, markup and SQL; it is kept as it was written."""
    reason = "naïve 🦆 <script>alert(1)</script> '; DROP TABLE flags; -- {0} %s\nsecond line"
    await plane.ask("PUT", FLAG, json={"stage": "shadow", "reason": reason})
    (change,) = (await plane.ask("GET", f"{ROUTE}/history")).json()["changes"]
    assert change["reason"] == reason


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_only_json_is_read(plane: Plane, media: str) -> None:
    """What a form of a foreign page can send is not read at all."""
    answer = await plane.ask("PUT", FLAG, content=b'{"stage": "shadow"}', headers={"content-type": media})
    assert (answer.status_code, error(answer)["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "path",
    [
        "/api/routes/nope",
        "/api/routes/lots.create%00",
        "/api/routes/..%2f..%2fetc",
        "/api/routes/__init__",
        "/api/routes/%27%3B--",
    ],
)
async def test_unknown_route_is_not_repeated(plane: Plane, path: str) -> None:
    """A route that is not in the table is 404 for every operation, and its name is not in the answer."""
    for method, more in [
        ("GET", ""),
        ("PUT", "/flag"),
        ("POST", "/rollback"),
        ("GET", "/history"),
        ("GET", "/mismatches"),
    ]:
        answer = await plane.ask(method, path + more, json={"stage": "shadow"} if method == "PUT" else None)
        assert answer.status_code == 404
        assert error(answer)["message"] in ("There is no such route.", "There is nothing here.")


async def test_fifty_flippers_one_wins(plane: Plane) -> None:
    """Of 50 operators who flip the same version at once one is answered 200 and 49 are told what is current."""
    answers = await asyncio.gather(
        *(plane.ask("PUT", FLAG, json={"stage": "shadow", "sample": n}, headers={"if-match": '"0"'}) for n in range(50))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 49
    winner = next(answer.json()["flag"] for answer in answers if answer.status_code == 200)
    assert all(error(answer)["current"] == winner for answer in answers if answer.status_code == 412)
    assert len((await plane.ask("GET", f"{ROUTE}/history")).json()["changes"]) == 1


async def test_rollback_needs_nothing_and_does_nothing_twice(plane: Plane) -> None:
    """A rollback works from any stage without body, version or gate; the second changes nothing and is 200, too."""
    await plane.ask("PUT", FLAG, json={"stage": "retired", "force": True, "reason": "brave"})
    first = await plane.ask("POST", f"{ROUTE}/rollback")
    second = await plane.ask("POST", f"{ROUTE}/rollback", json={"reason": "again"})
    assert (first.status_code, first.json()["changed"], first.json()["flag"]["stage"]) == (200, True, "legacy")
    assert (second.status_code, second.json()["changed"]) == (200, False)
    assert second.json()["flag"] == first.json()["flag"]
    assert plane.live.plan.flag("lots.create").stage is Stage.LEGACY


async def test_history_is_paged(plane: Plane) -> None:
    """History comes newest first, `before` goes on, and nonsense in the query is refused."""
    for sample in range(3):
        await plane.ask("PUT", FLAG, json={"stage": "shadow", "sample": sample})
    first = (await plane.ask("GET", f"{ROUTE}/history?limit=2", role="viewer")).json()["changes"]
    rest = (await plane.ask("GET", f"{ROUTE}/history?before={first[-1]['id']}")).json()["changes"]
    assert [change["after"]["version"] for change in first + rest] == [3, 2, 1]
    assert (first[0]["by"], first[0]["move"], first[0]["before"]["version"]) == ("operator", "adjust", 2)
    for query in ("limit=0", "limit=501", "limit=x", "limit=-1", "before=x", "before=", "limit=" + "9" * 30):
        answer = await plane.ask("GET", f"{ROUTE}/history?{query}")
        assert (answer.status_code, error(answer)["code"]) == (422, "bad_query")


async def test_flip_starts_from_the_flag_in_force(plane: Plane) -> None:
    """After an older backup was restored, operators go on from what is in force, not from what is stored."""
    newer = Flag("lots.create", Stage.CANARY, 500, version=9)
    plane.live.replace({"lots.create": newer}, Source.DATABASE)
    answer = await plane.ask("PUT", FLAG, json={"stage": "canary", "canary": 400}, headers={"if-match": '"9"'})
    assert answer.json()["flag"]["version"] == 10
    assert plane.live.plan.flag("lots.create").canary == 400


async def test_without_database_flips_are_503_and_change_nothing(plane: Plane, store: FlagStore) -> None:
    """With the database down a known token still reads what is in force; changes are refused in a sentence."""
    await plane.ask("PUT", FLAG, json={"stage": "shadow"})
    await plane.lose_database()
    for method, path, body in [("PUT", FLAG, {"stage": "canary"}), ("POST", f"{ROUTE}/rollback", {})]:
        answer = await plane.ask(method, path, json=body)
        assert (answer.status_code, error(answer)["code"]) == (503, "database_down")
        assert error(answer)["message"] == "Nothing can be read or changed now: the database cannot be reached."
    assert (await plane.ask("GET", f"{ROUTE}/history")).status_code == 503
    assert (await plane.ask("GET", ROUTE)).json()["flag"]["stage"] == "shadow"
    assert (await plane.ask("GET", ROUTE, role="admin")).status_code == 503, "a token nobody has seen is not known"
    assert plane.live.plan.flag("lots.create").version == 1
    assert (await store.load())["lots.create"].version == 1


async def test_a_route_without_a_new_side_stays_on_legacy(plane: Plane) -> None:
    """Nobody can send callers to a side that is not there; going back is always possible."""
    plane.service._has_new = False
    for stage in ("shadow", "canary", "new", "retired"):
        refused = await plane.ask(
            "PUT", "/api/routes/lots.list/flag", json={"stage": stage, "force": True, "reason": "x"}
        )
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "no_new_side")
    back = await plane.ask("PUT", "/api/routes/lots.list/flag", json={"stage": "legacy"})
    assert back.status_code == 200
