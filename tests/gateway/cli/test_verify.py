"""`contracts verify`: what CI runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.gateway.cli.conftest import Strangler
from tests.gateway.cli.program import ROOT, processes_of, run_in


@contextmanager
def answering(content: object) -> Iterator[str]:
    """A backend that answers everything with this JSON; requests without a token get 401."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(content).encode()
            self.send_response(200 if "authorization" in self.headers else 401)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    """Contracts of one route with one case, asked with a token."""
    folder = tmp_path / "contracts"
    cases = folder / "lots.list" / "cases"
    cases.mkdir(parents=True)
    (folder / "lots.list" / "route.yaml").write_text("route: GET /lots\neffect: read\nstickiness: jwt.sub\n")
    (folder / "identities.yaml").write_text("secret: SECRET\nidentities:\n  ada:\n    claims: {sub: ada}\n")
    (cases / "all.yaml").write_text(
        "why: everything\nas: ada\nrequest: {method: GET, target: /lots}\nexpect: {status: 200}\n"
    )
    return folder


ENV = {"SECRET": "a secret of thirty-two characters!"}


@pytest.mark.usefixtures("contracts")
def test_sides_that_agree_are_a_0(strangler: Strangler, tmp_path: Path) -> None:
    """Two sides with one answer end with 0, and the JUnit file has the case."""
    with answering([1]) as legacy, answering([1]) as new:
        ran = strangler("contracts", "verify", "--legacy", legacy, "--new", new, "--junit", "out/r.xml", env=ENV)
    assert (ran.code, ran.err) == (0, "")
    assert "1 case: 1 agreed" in ran.out
    assert ElementTree.parse(tmp_path / "out" / "r.xml").find(".//testcase") is not None


@pytest.mark.usefixtures("contracts")
def test_difference_is_a_1_and_both_values_are_shown(strangler: Strangler) -> None:
    """One value that differs ends with 1; people and programs see where and both values."""
    with answering({"kg": "1"}) as legacy, answering({"kg": 1}) as new:
        words = ("contracts", "verify", "--legacy", legacy, "--new", new)
        ran, machine = strangler(*words, env=ENV), strangler(*words, "--json", env=ENV)
    assert ran.code == machine.code == 1
    assert "body/kg" in ran.out
    case = machine.json["cases"][0]
    assert (case["route"], case["case"], case["state"]) == ("lots.list", "all", "differs")
    assert case["mismatches"] == [{"kind": "type", "where": "body/kg", "legacy": '"1"', "new": "1"}]


@pytest.mark.usefixtures("contracts")
def test_side_that_is_down_is_a_3(strangler: Strangler) -> None:
    """A side that cannot be reached is no difference."""
    with answering([1]) as legacy:
        ran = strangler("contracts", "verify", "--legacy", legacy, "--new", "http://127.0.0.1:1", env=ENV)
    assert ran.code == 3
    assert "UNREACHABLE" in ran.out


@pytest.mark.usefixtures("contracts")
@pytest.mark.parametrize(
    ("words", "env", "says"),
    [
        (["--legacy", "http://127.0.0.1:1"], ENV, "give both --legacy and --new"),
        (["--legacy", "nonsense", "--new", "http://127.0.0.1:1"], ENV, "is not a URL"),
        (["--only", "lots.lost"], ENV, "there is no route or case lots.lost"),
        ([], ENV, "backends.yaml"),
        (["--legacy", "http://127.0.0.1:1", "--new", "http://127.0.0.1:1"], {}, "SECRET holds the secret"),
        (["nowhere"], ENV, "there is no folder nowhere"),
    ],
)
def test_wrong_usage_is_a_2(strangler: Strangler, words: list[str], env: dict[str, str], says: str) -> None:
    """What cannot be run is told before anything is asked."""
    ran = strangler("contracts", "verify", *words, env=env)
    assert ran.code == 2
    assert says in ran.err


def test_run_that_asks_nothing_is_no_success(strangler: Strangler, contracts: Path) -> None:
    """Without a single case the answer is not yes."""
    (contracts / "lots.list" / "cases" / "all.yaml").unlink()
    ran = strangler("contracts", "verify")
    assert ran.code == 2
    assert "no case" in ran.err


def test_both_sides_are_started_and_gone_afterwards(tmp_path: Path) -> None:
    """Our own contracts bring up both sides by themselves; no process of the run stays behind."""
    ran = run_in(
        ROOT,
        ["contracts", "verify", "--only", "health", "--only", "runs.get", "--json"],
        {"STRANGLER_STATE": str(tmp_path / "state")},
    )
    assert ran.code in (0, 1), ran.err
    assert {case["route"] for case in ran.json["cases"]} == {"health", "runs.get"}
    assert processes_of(tmp_path) == []


@pytest.mark.usefixtures("contracts")
def test_report_that_cannot_be_written_is_told_before_anybody_is_asked(strangler: Strangler, tmp_path: Path) -> None:
    """A run may be long: its results are not lost to a folder that cannot be."""
    (tmp_path / "out").write_text("a file")
    with answering([1]) as legacy, answering([1]) as new:
        ran = strangler("contracts", "verify", "--legacy", legacy, "--new", new, "--junit", "out/r.xml", env=ENV)
    assert ran.code == 2
    assert "--junit out/r.xml cannot be written" in ran.err
    assert "cases" not in ran.out


def test_rule_that_no_case_needs_is_told_with_what_to_do(strangler: Strangler, contracts: Path) -> None:
    """Live traffic may need it: the report says who knows, and what then."""
    (contracts / "lots.list" / "differences.yaml").write_text(
        "allow:\n- {where: body/kg, kind: type, because: x, owner: lots, until: 2999-01-01}\n"
    )
    with answering([1]) as legacy, answering([1]) as new:
        ran = strangler("contracts", "verify", "--legacy", legacy, "--new", new, env=ENV)
    assert ran.code == 0
    assert "body/kg allowed nothing in these cases." in ran.out
    assert "`strangler rules lots.list` counts that" in ran.out
