"""`strangler override` makes a token that a gateway with the same secret takes."""

import shlex
import time
from pathlib import Path

import pytest

from gateway.message import Side
from gateway.rollout.override import MOST_BYTES, NAME, Override, Overrides

from .conftest import Strangler

SECRET = "thirty-two bytes and a little more"
ENV = {"STRANGLER_OVERRIDE_SECRET": SECRET}


def read(token: str) -> Override:
    """What a gateway reads in it now."""
    found = Overrides(SECRET).read(((NAME, token.encode()),), time.time())
    assert isinstance(found, Override), found
    return found


def test_the_token_is_taken_and_the_curl_line_carries_it(strangler: Strangler) -> None:
    """People get the token first, by itself, so that a shell can take the first line."""
    ran = strangler("override", "--side", "new", "--for", "90s", env=ENV)
    assert ran.code == 0
    token, *_ = ran.out.splitlines()
    override = read(token)
    assert (override.side, override.routes, override.group) == (Side.NEW, None, None)
    assert 0 < override.until - time.time() <= 90
    (curl,) = (line for line in ran.out.splitlines() if line.startswith("curl "))
    assert shlex.split(curl) == ["curl", "-H", f"x-strangler-override: {token}", "http://127.0.0.1:8080/"]
    assert f'document.cookie = "x-strangler-override={token}; path=/; max-age=90; samesite=lax"' in ran.out


def test_programs_get_a_document(strangler: Strangler) -> None:
    """Routes and group are in the token and beside it; the address is the one that the gateway listens on."""
    words = ("override", "--side", "legacy", "--route", "a.b", "--route", "c", "--group", "g", "--json")
    said = strangler(*words, env={**ENV, "STRANGLER_LISTEN": "127.0.0.1:81"}).json
    override = read(said["token"])
    assert (override.side, override.routes, override.group) == (Side.LEGACY, frozenset({"a.b", "c"}), "g")
    assert (said["side"], said["routes"], said["group"]) == ("legacy", ["a.b", "c"], "g")
    assert said["curl"].endswith("http://127.0.0.1:81/")


def test_the_secret_may_stand_in_the_file(strangler: Strangler) -> None:
    """As the gateway of this folder has it."""
    Path("strangler.yaml").write_text(f"override_secret: {SECRET}\nlisten: 127.0.0.1:82\n")
    said = strangler("override", "--side", "new", "--json").json
    assert read(said["token"]).side is Side.NEW
    assert said["curl"].endswith("http://127.0.0.1:82/")


@pytest.mark.parametrize("given", ["", "0s", "25h", "60", "-1h", "1h30m", "٥m", "999999999h"])
def test_a_time_that_no_gateway_takes_is_refused(strangler: Strangler, given: str) -> None:
    """More than a day, nothing, or no time at all."""
    ran = strangler("override", "--side", "new", "--for", given, env=ENV)
    assert ran.code == 2
    assert "--for" in ran.err


def test_without_a_good_secret_there_is_no_token(strangler: Strangler) -> None:
    """A missing and a short one are told by name, and the short one is not repeated."""
    assert "STRANGLER_OVERRIDE_SECRET" in strangler("override", "--side", "new").err
    ran = strangler("override", "--side", "new", env={"STRANGLER_OVERRIDE_SECRET": "tooshort"})
    assert (ran.code, "tooshort" in ran.err) == (2, False)


def test_a_token_too_long_for_a_gateway_is_not_made(strangler: Strangler) -> None:
    """It would be ignored, and nobody would know why."""
    ran = strangler("override", "--side", "new", "--route", "r" * MOST_BYTES, env=ENV)
    assert ran.code == 2
    assert "fewer routes" in ran.err
