"""The commands that talk to the admin plane, against a real one: the demo's."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.place import known_admin_plane
from tests.gateway.cli.conftest import Strangler
from tests.gateway.cli.demos import Demo, get, until
from tests.gateway.cli.program import Ran

FORCE = ("--force", "--reason", "a demo has no day of traffic")


@pytest.fixture
def told(strangler: Strangler, demo: Demo) -> Strangler:
    """The command line, told by the environment where the demo's state is; nothing else is said."""

    def run(*words: str, env: Mapping[str, str] | None = None) -> Ran:
        return strangler(*words, env={"STRANGLER_STATE": str(demo.state), **(env or {})})

    return run


def flag(told: Strangler, route: str) -> dict[str, Any]:
    """The flag of a route as `routes --json` tells it."""
    [found] = [one["flag"] for one in told("routes", "--json").json["routes"] if one["key"] == route]
    assert isinstance(found, dict)
    return found


def test_routes_are_listed_with_their_stage(told: Strangler) -> None:
    """People see every route of the contracts in 80 columns; the demo's token is found without being given."""
    ran = told("routes")
    assert ran.code == 0, ran.err
    assert "traceability.get  GET /api/traceability/{lotCode}" in ran.out
    assert max(len(line) for line in ran.out.splitlines()) <= 80


def test_flip_shows_before_and_after_and_takes_effect(told: Strangler, demo: Demo) -> None:
    """A flip says what was and what is, and requests follow it."""
    ran = told("flip", "runs.list", "shadow", "--sample", "50%", "--reason", "a look")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("runs.list: legacy -> shadow, compared 50% (version ")
    assert told("flip", "runs.list", "canary", "--share", "100%", *FORCE).code == 0
    machine = told("flip", "runs.list", "new", "--json", *FORCE)
    assert (machine.json["before"]["stage"], machine.json["after"]["stage"]) == ("canary", "new")
    assert get(demo.notes["gateway_url"], "/api/runs") is not None
    back = told("rollback", "runs.list", "--reason", "enough seen")
    assert back.code == 0
    assert "new, compared 50% -> legacy" in back.out
    told("flip", "runs.list", "shadow")
    same = told("flip", "runs.list", "shadow")
    assert (same.code, "as it was: nothing changed" in same.out) == (0, True)
    told("rollback", "runs.list")
    again = told("rollback", "runs.list")
    assert (again.code, "as it was" in again.out) == (0, True)


def test_history_tells_who_and_why(told: Strangler) -> None:
    """Each change is a line with its author and reason, the newest first."""
    told("flip", "runs.get", "shadow", "--reason", "first reason")
    told("flip", "runs.get", "legacy", "--reason", "second reason")
    ran = told("history", "runs.get")
    assert ran.code == 0
    assert ran.out.index("second reason") < ran.out.index("first reason")
    assert "demo" in ran.out
    assert [one["move"] for one in told("history", "runs.get", "--json", "--limit", "2").json["changes"]] == [
        "rollback",
        "promote",
    ]
    assert "nobody has moved health yet" in told("history", "health").out


def test_skipping_a_stage_is_refused_unless_it_is_forced(told: Strangler) -> None:
    """The answer is no, with the reason; force needs a reason of its own."""
    refused = told("flip", "qc.create", "new")
    assert refused.code == 1
    assert "shadow first" in refused.err
    unexplained = told("flip", "qc.create", "new", "--force")
    assert (unexplained.code, "--reason" in unexplained.err) == (2, True)
    assert told("flip", "qc.create", "new", "--force", "--reason", "a drill").code == 0
    assert told("rollback", "qc.create").code == 0


def test_a_promotion_without_evidence_is_refused_with_what_is_missing(told: Strangler) -> None:
    """The gate says how many samples are missing; so does can-promote, which ends with 1 and knows JSON."""
    told("flip", "qc.create", "shadow")
    refused = told("flip", "qc.create", "canary")
    assert refused.code == 1
    assert "2995 more clean" in refused.err
    assert max(map(len, refused.err.splitlines())) <= 80
    asked = told("can-promote", "qc.create", "--to", "canary", "--json")
    assert (asked.code, asked.json["answer"], asked.json["more_clean_samples"]) == (1, "inconclusive", 2995)
    free = told("can-promote", "qc.create", "--to", "shadow")
    assert (free.code, free.out) == (0, "qc.create: shadow -> shadow: pass; this change needs no evidence\n")
    assert told("can-promote", "qc.create", "--to", "nowhere").code == 2
    assert told("can-promote", "nothing.here").code == 2
    told("rollback", "qc.create")


def test_lost_race_says_who_was_faster(told: Strangler) -> None:
    """A flip that expects an older version changes nothing and names the one who came between."""
    seen = flag(told, "runs.update")["version"]
    told("flip", "runs.update", "shadow")
    ran = told("flip", "runs.update", "canary", "--if-version", str(seen), "--json")
    assert ran.code == 1
    assert ran.json["error"]["code"] == "lost_race"
    assert ran.json["error"]["current"]["stage"] == "shadow"
    assert "demo at 20" in ran.err
    assert flag(told, "runs.update")["stage"] == "shadow"
    told("rollback", "runs.update")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("flip", "lots.list", "sideways"), "sideways"),
        (("flip", "lots.list", "canary", "--share", "5.5"), "is no share"),
        (("flip", "lots.list", "shadow", "--share", "5%"), "--share is about canary"),
        (("flip", "lots.list", "shadow", "--sample", "200%"), "more than everything"),
        (("flip", "no.such", "shadow"), "there is no such route"),
        (("flip", "../tokens", "shadow"), "There is nothing here"),
        (("rollback", "no.such"), "there is no such route"),
        (("history", "no.such"), "there is no such route"),
        (("mismatches", "no.such"), "there is no such route"),
        (("mismatches", "lots.list", "--limit", "0"), "--limit"),
        (("tokens", "add", "bad name", "--role", "viewer"), "name"),
        (("tokens", "revoke", "nobody"), "no token"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_is_a_2(told: Strangler, words: tuple[str, ...], says: str) -> None:
    """Nonsense is refused with a sentence, whoever notices it."""
    ran = told(*words)
    assert ran.code == 2, ran.err
    assert says in ran.err
    assert ran.out == ""


def test_mismatches_show_both_values_and_how_to_allow_them(told: Strangler) -> None:
    """A real difference of the two sides is found by the played frontend and told with both values."""
    assert told("flip", "traceability.get", "shadow").code == 0
    assert until(lambda: told("mismatches", "traceability.get", "--json").json["clusters"], 60)
    ran = told("mismatches", "traceability.get")
    told("rollback", "traceability.get")
    assert ran.code == 0
    assert "9007199254740992" in ran.out
    assert "9007199254740993" in ran.out
    assert "contracts/traceability.get/differences.yaml" in ran.out
    assert "nothing of health has been compared" in told("mismatches", "health").out


def test_tokens_are_made_listed_and_ended(told: Strangler) -> None:
    """A viewer's token reads and does not flip; once revoked it opens nothing."""
    made = told("tokens", "add", "ada", "--role", "viewer", "--json").json
    as_ada = {"STRANGLER_ADMIN_TOKEN": made["secret"]}
    try:
        assert "ada" in told("tokens", "list").out
        assert made["secret"] not in told("tokens", "list", "--json").out
        assert told("routes", env=as_ada).code == 0
        refused = told("flip", "health", "shadow", env=as_ada)
        assert refused.code == 1
        assert "operator" in refused.err
        assert told("tokens", "add", "ada", "--role", "admin").code == 1
    finally:
        assert told("tokens", "revoke", "ada").code == 0
    assert until(lambda: told("routes", env=as_ada).code == 2, 10)
    assert "does not know this token" in told("routes", env=as_ada).err


def test_lost_admin_token_is_replaced_by_way_of_the_database(told: Strangler, demo: Demo) -> None:
    """Who can reach the database needs no token to make one."""
    database = ("--database-url", demo.notes["database_url"])
    made = told("tokens", "add", "eve", "--role", "admin", "--json", *database)
    assert made.code == 0, made.err
    assert told("routes", "--token", made.json["secret"]).code == 0
    assert told("tokens", "add", "eve", "--role", "admin", *database).code == 1
    assert "eve" in told("tokens", "list", *database).out
    assert told("tokens", "revoke", "eve", *database).code == 0
    assert told("tokens", "revoke", "eve", *database).code == 2


def test_database_that_is_down_is_a_3(strangler: Strangler) -> None:
    """A database that cannot be reached is told from one that is named wrongly."""
    assert strangler("tokens", "list", "--database-url", "postgresql://127.0.0.1:1/x").code == 3
    assert strangler("db", "current", "--database-url", "postgresql://127.0.0.1:1/x").code == 3
    assert strangler("tokens", "list", "--database-url", "mysql://127.0.0.1/x").code == 2
    assert strangler("db", "current", "--database-url", "nonsense").code == 2
    assert strangler("db", "current").code == 2


def test_histories_are_told_and_can_be_upgraded_again(told: Strangler) -> None:
    """`db current` names both histories at their newest revision; upgrading once more changes nothing."""
    current = told("db", "current", "--json")
    assert current.code == 0, current.err
    assert set(current.json) == {"gateway", "domain"}
    assert all(one["revision"] == one["newest"] is not None for one in current.json.values())
    upgraded = told("db", "upgrade", "all")
    assert upgraded.code == 0, upgraded.err
    assert upgraded.out.count("(as it was)") == 2


def test_plane_that_is_down_is_a_3(strangler: Strangler) -> None:
    """Without a gateway the answer says where it was looked for and how to say where it is."""
    ran = strangler("routes", "--admin-url", "http://127.0.0.1:1", "--json")
    assert ran.code == 3
    assert ran.json["error"]["code"] == "admin_unreachable"
    assert "--admin-url" in ran.err


def test_something_else_is_no_admin_plane(strangler: Strangler) -> None:
    """A server that answers HTML is not taken for an admin plane."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<h1>It works!</h1>")

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        ran = strangler("routes", "--admin-url", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()
    assert ran.code == 3
    assert "is no admin plane" in ran.err


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "http://127.0.0.1:port"])
def test_bad_address_is_a_2(strangler: Strangler, url: str) -> None:
    """What is no address is wrong usage."""
    ran = strangler("routes", "--admin-url", url)
    assert ran.code == 2, ran.err
    assert "--admin-url" in ran.err


def test_missing_token_is_explained(told: Strangler, demo: Demo, tmp_path: Path) -> None:
    """Without a token the sentence says all ways to get one."""
    ran = told("routes", "--admin-url", demo.notes["admin_url"], env={"STRANGLER_STATE": str(tmp_path)})
    assert ran.code == 2
    assert "wants a token" in ran.err
    assert "STRANGLER_ADMIN_TOKEN" in ran.err


def test_noted_token_goes_to_the_noted_place_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's token is not sent to an address that somebody else has given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRANGLER_STATE", raising=False)
    (tmp_path / ".strangler").mkdir()
    notes = {"admin_url": "http://127.0.0.1:7", "admin_token": "noted"}
    (tmp_path / ".strangler" / "demo.json").write_text(json.dumps(notes))
    assert known_admin_plane(None, None).token == "noted"
    assert known_admin_plane("http://127.0.0.1:7/", None).token == "noted"
    assert known_admin_plane("http://elsewhere.example", None).token is None
    assert known_admin_plane(None, "mine").token == "mine"


def test_proxy_of_the_environment_is_not_asked(told: Strangler) -> None:
    """The token of a plane on this machine never passes a proxy."""
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), "http://127.0.0.1:1")
    assert told("routes", env=proxies).code == 0


def test_one_route_is_shown_with_what_became_of_its_copies(told: Strangler) -> None:
    """Taken, compared and dropped, as people and as programs read it."""
    assert told("routes", "runs.list", "--json").json["copies"].keys() == {"taken", "dropped", "compared", "unsafe"}
    ran = told("routes", "runs.list")
    assert ran.code == 0, ran.err
    assert "GET /api/runs" in ran.out
    assert "copies" in ran.out
    assert told("routes", "nobody.knows").code != 0
