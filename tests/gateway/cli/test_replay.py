"""A mismatch becomes a test: a case file that fails until it is settled, a command that asks it again."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.case_file import identity_for, write_case
from gateway.cli.findings import Group
from gateway.cli.replay import NotReplayable, case_name, case_text, curl
from gateway.contract.load import Contracts, load
from tests.gateway.proxy.harness import OK, always, upstream

GROUP = Group(
    7, "mismatched", "value", "body/*/kg", 3, "2026-11-20T01:02:03+00:00", "2026-11-21T01:02:03+00:00", True, ()
)
TOKEN = "(hidden-0123456789ab)"


def finding(**more: Any) -> dict[str, Any]:
    """A request as the admin plane tells it; `body`, `headers`, `role` and `left_out` are of its request."""
    asked: dict[str, Any] = {"headers": [], "body": None, "left_out": "", "role": ""}
    asked |= {name: more.pop(name) for name in list(more) if name in asked}
    one = {"id": 1, "method": "POST", "target": "/api/lots", "control_status": 201, "candidate_status": 400}
    return {**one, "request": asked, **more}


@pytest.fixture
def contracts(tmp_path: Path) -> Contracts:
    """Contracts of one route that writes and one beside it."""
    folder = tmp_path / "contracts"
    for key, route in (("lots.create", "POST /api/lots"), ("lots.undo", "POST /api/lots/undo")):
        (folder / key).mkdir(parents=True)
        (folder / key / "route.yaml").write_text(f"route: {route}\neffect: write\nstickiness: jwt.sub\n")
    (folder / "identities.yaml").write_text(
        "secret: SECRET\nidentities:\n"
        "  late: {claims: {app_metadata: {role: OPERATOR}}, expires_in_s: -60}\n"
        "  olga: {claims: {app_metadata: {role: OPERATOR}}}\n"
        "  stranger: {bearer: nonsense}\n"
        "  nobody: none\n"
    )
    loaded = load(folder)
    assert isinstance(loaded, Contracts)
    return loaded


HOSTILE = [
    '{"lot_code": "RAW-9", "kg": 1.10, "big": 9007199254740993, "a": 1, "a": 2}',
    "line\nbreak: [#'\"\\]\ttab \x1b[31m \x85 \u2028 \ufeff \U0001f600 é",
    "--- !!python/object:os.system\n...\n% &anchor *alias <<: {}",
    "'; rm -rf /; $(touch x) `touch y` \\'",
    "@/etc/passwd",
    "\u202eabc",
]


@pytest.mark.parametrize("body", HOSTILE)
def test_a_case_asks_byte_by_byte_what_was_asked(contracts: Contracts, tmp_path: Path, body: str) -> None:
    """Whatever a caller has sent stands in the file as a text and comes out of it the same."""
    folder = tmp_path / "contracts" / "lots.create" / "cases"
    headers = [["content-type", "application/json; charset=utf-8"], ["x-odd", 'a: "b" # c'], ["x\x00y", "dropped"]]
    file = write_case(GROUP, finding(body=body, headers=headers, target="/api/lots?a=%20&b=é"), contracts, folder)
    loaded = load(tmp_path / "contracts")
    assert isinstance(loaded, Contracts), loaded
    (case,) = loaded.by_key["lots.create"].cases
    assert (case.method, case.target, case.body) == ("POST", b"/api/lots?a=%20&b=%C3%A9", body.encode())
    assert case.headers == ((b"content-type", b"application/json; charset=utf-8"), (b"x-odd", b'a: "b" # c'))
    assert file.name == f"{case_name(GROUP)}.yaml"


def test_a_case_asks_as_somebody_of_the_callers_role(contracts: Contracts) -> None:
    """Good callers as good ones, refused ones with a bad token, strangers without one."""
    people = contracts.identities.by_name
    assert identity_for(finding(role="OPERATOR"), people) == "olga"
    assert identity_for(finding(role="OPERATOR", control_status=401), people) == "late"
    assert identity_for(finding(role=""), people) is None
    assert identity_for(finding(role="ADMIN"), people) is None
    assert "nobody with the role ADMIN" in case_text(GROUP, finding(role="ADMIN"), None)


def test_a_case_that_is_there_stays_as_it_is(contracts: Contracts, tmp_path: Path) -> None:
    """Somebody may have edited it."""
    folder = tmp_path / "contracts" / "lots.create" / "cases"
    file = write_case(GROUP, finding(), contracts, folder)
    file.write_text("mine")
    assert write_case(GROUP, finding(body="other"), contracts, folder) == file
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"request": None}, "was not kept"),
        ({"left_out": "it has 70000 bytes, more than 16384"}, "70000 bytes"),
        ({"target": "/api/lots?" + "x" * 4000 + "…"}, "longer than what is kept"),
        ({"control_status": None}, "legacy did not answer"),
        ({"target": "/api/lots/undo"}, "another route"),
        ({"target": "/api/lots\\../x"}, "another route"),
        ({"method": "BREW\n"}, "none that can be sent"),
    ],
)
def test_what_cannot_be_asked_again_is_said(
    contracts: Contracts, tmp_path: Path, more: dict[str, Any], why: str
) -> None:
    """No case is written that would not be the request."""
    folder = tmp_path / "contracts" / "lots.create" / "cases"
    with pytest.raises(NotReplayable, match=why):
        write_case(GROUP, finding(**more), contracts, folder)
    assert not list(folder.glob("*"))


def test_the_name_of_a_case_is_one_whatever_the_place_is_called() -> None:
    """The name has letters, digits and dashes, and begins with a letter."""
    for where in ("body/../../etc", "body/\x1b", "body/" + "x" * 500, "body/É"):
        assert case_name(replace(GROUP, where=where)).replace("-", "").isalnum()
        assert len(case_name(replace(GROUP, where=where))) <= 70


@pytest.mark.parametrize("body", HOSTILE)
async def test_a_command_asks_byte_by_byte_what_was_asked(body: str) -> None:
    """bash runs it, curl sends it, and nothing of what a caller has sent is obeyed on the way."""
    async with upstream(always(OK)) as origin:
        line = curl(
            GROUP, finding(body=body, headers=[["x-a", "$HOME `id` 'q'"]], target="/api/lots?[a]={b}"), origin.url
        )
        assert all(character == "\n" or character.isprintable() for character in line)
        shell = await asyncio.create_subprocess_exec("bash", "-c", line, stdout=subprocess.DEVNULL)
        assert await shell.wait() == 0
        (received,) = origin.received
    assert received.body == body.encode()


def test_a_command_has_no_secret_and_says_what_it_is_for() -> None:
    """A token is a variable of the shell; the comment above stays one line."""
    line = curl(
        replace(GROUP, where="body/a\nrm -rf /"), finding(role="ADMIN", body=f'{{"pin":"{TOKEN}"}}'), "http://h"
    )
    comment, words = line.split("\n")
    assert comment == "# body/a?rm -rf /: value, asked with a token of the role ADMIN"
    assert '"authorization: Bearer $TOKEN"' in words
    assert shlex.split(words)[-1] == "http://h/api/lots"
    assert json.loads(shlex.split(words)[-2]) == {"pin": TOKEN}
