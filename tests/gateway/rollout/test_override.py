"""A tester's token chooses the side; whatever is wrong with it changes nothing, and nothing unsafe can be chosen."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.message import Headers, Side
from gateway.rollout.decide import NO_ROUTE, PANIC, Decision
from gateway.rollout.override import (
    LEEWAY_S,
    MOST_BYTES,
    MOST_KEPT,
    MOST_S,
    NAME,
    TYPE,
    Ignored,
    Override,
    Overrides,
    issue,
    overridden,
    without_override,
)
from gateway.routing.route import Effect, Route, Stickiness
from gateway.routing.template import Template

SECRET = "a secret of more than thirty-two bytes"
NOW = 1_800_000_000.0
PATH = Template.parse("/api/lots")
LOTS = Route("lots.list", "GET", PATH, Effect.READ, "lots", Stickiness.parse("client_ip"), PATH)
RUNS = Route("runs.list", "GET", PATH, Effect.READ, "runs", Stickiness.parse("client_ip"), PATH)


def token(side: Side = Side.NEW, life_s: float = 3_600, **more: Any) -> bytes:
    """A token as the command line makes it."""
    return issue(SECRET, side=side, now=NOW, life_s=life_s, token_id="t-1", **more).encode()


def forged(header: object, claims: object, secret: str = SECRET) -> bytes:
    """A token with any header and any claims, rightly signed with HMAC-SHA256."""
    said = b".".join(_segment(json.dumps(part).encode()) for part in (header, claims))
    return said + b"." + _segment(hmac.digest(secret.encode(), said, hashlib.sha256))


def _segment(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def header(value: bytes) -> Headers:
    """The headers of a request that carries a token."""
    return ((b"host", b"x"), (NAME, value), (b"accept", b"*/*"))


def cookie(value: bytes) -> Headers:
    """The same with a cookie."""
    return ((b"cookie", b"a=1; " + NAME + b"=" + value + b"; b=2"),)


@pytest.mark.parametrize("carried", [header, cookie])
def test_a_signed_token_says_the_side(carried: Any) -> None:
    """In the header or in the cookie, for as long as it lives."""
    overrides = Overrides(SECRET)
    assert overrides.read(carried(token()), NOW) == Override(Side.NEW, None, None, NOW + 3_600, "t-1")
    assert overrides.read(carried(token(Side.LEGACY, life_s=MOST_S)), NOW + MOST_S - 1) is not None
    assert overrides.read(carried(token()), NOW + 3_600) is Ignored.EXPIRED


def test_a_request_without_a_token_has_none() -> None:
    """Nothing is ignored where nothing was sent."""
    for headers in ((), ((b"cookie", b"a=1; x-strangler-overridden=2; y=x-strangler-override=3"),)):
        assert Overrides(SECRET).read(headers, NOW) is None


CLAIMS: Mapping[str, object] = {"side": "new", "iat": NOW, "exp": NOW + 60, "jti": "x"}
HEAD: Mapping[str, object] = {"alg": "HS256", "typ": TYPE}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", Ignored.NOT_SIGNED),
        (b"new", Ignored.NOT_SIGNED),
        (forged(HEAD, CLAIMS, "another secret of thirty-two bytes, too"), Ignored.NOT_SIGNED),
        (forged({**HEAD, "alg": "none"}, CLAIMS), Ignored.NOT_SIGNED),
        (forged({**HEAD, "alg": "none"}, CLAIMS).rpartition(b".")[0] + b".", Ignored.NOT_SIGNED),
        (forged({**HEAD, "alg": "HS512"}, CLAIMS), Ignored.NOT_SIGNED),
        (forged({**HEAD, "alg": ["HS256"]}, CLAIMS), Ignored.NOT_SIGNED),
        (forged({**HEAD, "crit": ["exp"]}, CLAIMS), Ignored.NOT_SIGNED),
        (forged({**HEAD, "typ": "JWT"}, CLAIMS), Ignored.NOT_SIGNED),
        (forged({"alg": "HS256"}, CLAIMS), Ignored.NOT_SIGNED),
        (forged(HEAD, ["side"]), Ignored.NOT_SIGNED),
        (forged(HEAD, {**CLAIMS, "side": "both"}), Ignored.WRONG_CLAIMS),
        (forged(HEAD, {**CLAIMS, "side": ["new"]}), Ignored.WRONG_CLAIMS),
        (forged(HEAD, {**CLAIMS, "exp": None}), Ignored.WRONG_CLAIMS),
        (forged(HEAD, {**CLAIMS, "exp": float("inf")}), Ignored.WRONG_CLAIMS),
        (forged(HEAD, {**CLAIMS, "exp": float("nan")}), Ignored.WRONG_CLAIMS),
        (forged(HEAD, {**CLAIMS, "exp": 10**300}), Ignored.WRONG_CLAIMS),
        (forged(HEAD, {**CLAIMS, "exp": True}), Ignored.WRONG_CLAIMS),
        (forged(HEAD, {**CLAIMS, "iat": "now"}), Ignored.WRONG_CLAIMS),
        (forged(HEAD, {**CLAIMS, "jti": ""}), Ignored.WRONG_CLAIMS),
        (forged(HEAD, {**CLAIMS, "routes": "lots.list"}), Ignored.WRONG_CLAIMS),
        (forged(HEAD, {**CLAIMS, "routes": [["lots.list"]]}), Ignored.WRONG_CLAIMS),
        (forged(HEAD, {**CLAIMS, "group": 5}), Ignored.WRONG_CLAIMS),
        (token(life_s=MOST_S + 1), Ignored.LIVES_TOO_LONG),
        (forged(HEAD, {**CLAIMS, "iat": NOW + LEEWAY_S + 1, "exp": NOW + 900}), Ignored.NOT_YET),
        (forged(HEAD, {**CLAIMS, "iat": NOW - 900, "exp": NOW}), Ignored.EXPIRED),
        (token(group="g" * MOST_BYTES), Ignored.TOO_LONG),
    ],
)
def test_a_wrong_token_is_ignored_and_the_cause_known(value: bytes, why: Ignored) -> None:
    """Unsigned, signed by others, expired, from the future, too long a life: each has its word."""
    assert Overrides(SECRET).read(header(value), NOW) is why


def test_two_tokens_are_none() -> None:
    """Nobody guesses which one is meant; the header wins over a cookie, because it was written for this request."""
    overrides = Overrides(SECRET)
    assert overrides.read(header(token()) + header(token()), NOW) is Ignored.AMBIGUOUS
    assert overrides.read(cookie(token()) + cookie(token()), NOW) is Ignored.AMBIGUOUS
    both = overrides.read(cookie(token(Side.LEGACY)) + header(token()), NOW)
    assert isinstance(both, Override)
    assert both.side is Side.NEW


@given(
    st.binary(max_size=300), st.recursive(st.none() | st.text() | st.floats() | st.integers(), st.lists, max_leaves=5)
)
def test_any_bytes_and_any_claims_are_no_error(value: bytes, anything: object) -> None:
    """Whoever knows the secret cannot break the gateway with it either."""
    overrides = Overrides(SECRET)
    assert isinstance(overrides.read(header(value), NOW), Ignored)
    for claims in ({**CLAIMS, "exp": anything}, {**CLAIMS, "side": anything}, {**CLAIMS, "routes": anything}, anything):
        read = overrides.read(header(forged(HEAD, claims)), NOW)
        assert isinstance(read, Ignored | Override)
    assert isinstance(overrides.read(header(forged(anything, CLAIMS)), NOW), Ignored)


def test_remembered_tokens_stay_few_and_still_expire() -> None:
    """A thousand testers do not fill the memory; a remembered token is no older than its `exp`."""
    overrides = Overrides(SECRET)
    for number in range(MOST_KEPT + 20):
        one = issue(SECRET, side=Side.NEW, now=NOW, life_s=60, token_id=str(number)).encode()
        assert isinstance(overrides.read(header(one), NOW), Override)
        assert isinstance(overrides.read(header(one), NOW + 59), Override)
        assert overrides.read(header(one), NOW + 60) is Ignored.EXPIRED
    assert len(overrides._known) == MOST_KEPT


CANARY_OUT = Decision(Side.LEGACY, Side.NEW, "canary_out")


def wants(side: Side, routes: frozenset[str] | None = None, group: str | None = None) -> Override:
    """What a valid token says."""
    return Override(side, routes, group, NOW + 1, "x")


def test_the_tester_is_answered_by_the_side_and_leaves_no_evidence() -> None:
    """The reason says so, and no copy is compared: a tester is not the traffic a promotion is judged by."""
    decided = overridden(CANARY_OUT, wants(Side.NEW), LOTS, has_new=True)
    assert decided == Decision(Side.NEW, None, "override")
    back = overridden(Decision(Side.NEW, Side.LEGACY, "stage_new"), wants(Side.LEGACY), LOTS, has_new=True)
    assert back == Decision(Side.LEGACY, None, "override")


def test_a_token_may_be_about_some_routes_only() -> None:
    """Named routes, or those of a group, or both; an empty list of routes names none."""
    for override, covers_lots in (
        (wants(Side.NEW), True),
        (wants(Side.NEW, frozenset({"lots.list"})), True),
        (wants(Side.NEW, frozenset({"runs.list"})), False),
        (wants(Side.NEW, group="lots"), True),
        (wants(Side.NEW, frozenset({"runs.list"}), "lots"), True),
        (wants(Side.NEW, frozenset()), False),
    ):
        moved = overridden(CANARY_OUT, override, LOTS, has_new=True)
        assert (moved.reason == "override") is covers_lots
    assert overridden(CANARY_OUT, wants(Side.NEW, group="lots"), RUNS, has_new=True) is CANARY_OUT


def test_what_is_not_safe_cannot_be_chosen() -> None:
    """A panic, a retired route and a missing new side stand against every tester."""
    assert overridden(PANIC, wants(Side.NEW), LOTS, has_new=True) is PANIC
    assert overridden(NO_ROUTE, wants(Side.NEW), LOTS, has_new=False) is NO_ROUTE
    retired = Decision(Side.NEW, None, "stage_retired")
    assert overridden(retired, wants(Side.LEGACY), LOTS, has_new=True) is retired
    assert overridden(CANARY_OUT, wants(Side.NEW), LOTS, has_new=False) is CANARY_OUT


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        (b"a=1; b=2", b"a=1; b=2"),
        (b"x-strangler-override=T", b""),
        (b"x-strangler-override", b""),
        (b"x-strangler-override=T; b=2", b"b=2"),
        (b"a=1; x-strangler-override=T", b"a=1"),
        (b"a=1; x-strangler-override=T; b=2", b"a=1; b=2"),
        (b"a=1;x-strangler-override=T;b=2", b"a=1;b=2"),
        (b"a=1;  x-strangler-override = T ;  b=2 ", b"a=1;  b=2 "),
        (b"x-strangler-override=T; a=1; x-strangler-override=U", b"a=1"),
        (b"a=x-strangler-override=T; b", b"a=x-strangler-override=T; b"),
        (b"X-Strangler-Override=T", b"X-Strangler-Override=T"),
        (b'a="1; x"; x-strangler-override=T;; \xff=\x80', b'a="1; x";; \xff=\x80'),
    ],
)
def test_our_cookie_is_cut_out_and_no_other_byte_changes(sent: bytes, left: bytes) -> None:
    """What a side reads is what it would have read without a tester."""
    assert without_override(sent) == left


@given(
    st.lists(st.sampled_from([b"a=1", b" b=2", b"", b" ", b"x-strangler-override=T", b" x-strangler-override=\xff"]))
)
def test_no_cookie_of_ours_is_ever_left(pairs: list[bytes]) -> None:
    """Wherever it stands and however often."""
    left = without_override(b";".join(pairs))
    assert NAME not in left
    assert without_override(left) == left
